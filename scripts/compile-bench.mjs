// Turns bench/ into dist-bench/, which lies as deep: the files are TypeScript and import ../src/…, so that the type check
// and the linter see them, and here their imports of ../src/ become ../dist/. What is measured is the build that is served,
// and no loader stands between.
import { transformFile } from '@swc/core';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { root } from './prepare.mjs';

/** Returns the folder. */
export async function compileBench() {
  const out = join(root, 'dist-bench');
  rmSync(out, { recursive: true, force: true });
  for (const file of readdirSync(join(root, 'bench'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.startsWith(`peers${sep}`)) continue;
    const { code } = await transformFile(join(root, 'bench', file), {
      configFile: join(root, '.swcrc'),
      sourceMaps: 'inline',
    });
    const target = join(out, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code.replaceAll(/(from |import\(|new URL\()(['"])((?:\.\.\/)+)src\//g, '$1$2$3dist/'));
  }
  return out;
}
