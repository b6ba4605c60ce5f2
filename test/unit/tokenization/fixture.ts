import { fileURLToPath } from 'node:url';

/** A file or folder beside the tests of tokenization. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}
