/** One line of what a script of bench/peers prints; fields that only people read are left out here. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const figure = z.object({
  /** `system/case` */
  name: z.string(),
  tokensPerSecond: z.number().positive(),
  /** What the first row generated. */
  tokens: z.array(z.number()).optional(),
  /** Package → version. */
  versions: z.record(z.string(), z.string()),
});
export type Figure = z.infer<typeof figure>;

/** The figures among the lines; a script may say other things too. */
export function parseFigures(output: string): Figure[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => figure.parse(JSON.parse(line)));
}

/** Of an installed package of ours. */
export async function packageVersion(name: string): Promise<string> {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(await readFile(file, 'utf8'))).version;
}
