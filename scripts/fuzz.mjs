// `npm run fuzz -- --inputs=100000`: the fuzz tests with many inputs and, unless --seed says which, a seed of their own.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { root } from './prepare.mjs';

const flag = (name, fallback) =>
  Number(process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? fallback);

const inputs = flag('inputs', 100_000);
const seed = flag('seed', randomInt(2 ** 31 - 1));
process.stdout.write(`${inputs.toLocaleString('en')} inputs, seed ${seed}\n`);
const run = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), '--testPathPatterns', 'test/.*fuzz'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ESPALIER_FUZZ_INPUTS: String(inputs), ESPALIER_FUZZ_SEED: String(seed) },
});
process.exit(run.status ?? 1);
