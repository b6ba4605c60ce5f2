/** The scripts of bench/peers as processes: each measures a workload and prints its figures. */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Figure, parseFigures } from './figure.js';

/** Measures once. */
export type Peer = () => Promise<Figure[]>;

const PEERS = fileURLToPath(new URL('../../bench/peers/', import.meta.url));
const LIMIT_MS = 30 * 60 * 1000;
const PYTHON_SET_UP =
  '  python3 -m venv bench/peers/.venv\n  bench/peers/.venv/bin/pip install -r bench/peers/requirements.txt\n' +
  'or name a Python that has these packages in PYTHON.';

/** Or how to set it up. */
export async function transformersPeft(workload: string): Promise<Peer | string> {
  const python = await pythonWith('peft');
  if (python === null) return `transformers + PEFT is not set up:\n${PYTHON_SET_UP}`;
  return async () => parseFigures(await run(python, [join(PEERS, 'transformers_peft.py'), workload, '--repeats', '1']));
}

/** Or how to set it up. The checkpoint is written again as GGUF into `folder`. */
export async function nodeLlamaCpp(workload: string, folder: string): Promise<Peer | string> {
  if (!(await exists(join(PEERS, 'node_modules/node-llama-cpp')))) {
    return 'node-llama-cpp is not set up:\n  npm install --prefix bench/peers';
  }
  const python = await pythonWith('gguf');
  if (python === null) return `node-llama-cpp needs a Python to write the checkpoint as GGUF:\n${PYTHON_SET_UP}`;
  const model = join(folder, 'model.gguf');
  await run(python, [join(PEERS, 'write_gguf.py'), workload, model]);
  return async () => parseFigures(await run(process.execPath, [join(PEERS, 'node-llama-cpp.mjs'), workload, model]));
}

async function pythonWith(module: string): Promise<string | null> {
  const python = process.env['PYTHON'] ?? join(PEERS, '.venv/bin/python');
  try {
    await promisify(execFile)(python, ['-c', `import ${module}`]);
    return python;
  } catch {
    // No such program, or it lacks the module: either way it has to be set up.
    return null;
  }
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: LIMIT_MS, maxBuffer: 2 ** 24 });
  return stdout;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
