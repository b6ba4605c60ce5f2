/** The scripts of bench/peers as processes: each measures a workload and prints its figures. */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Figure, parseFigures } from './figure.js';

/** How many bits a base weight has: 32 are floats, 8 and 4 each system's own blocks of 32. */
export type Bits = 32 | 8 | 4;

/** Measures once. */
export type Peer = () => Promise<Figure[]>;

/** `null`: it has nothing of these bits. A text: how to set it up. */
export type PeerMaker = (workload: string, folder: string, bits: Bits) => Promise<Peer | string | null>;

const PEERS = fileURLToPath(new URL('../../bench/peers/', import.meta.url));
const LIMIT_MS = 30 * 60 * 1000;
const PYTHON_SET_UP =
  '  python3 -m venv bench/peers/.venv\n  bench/peers/.venv/bin/pip install -r bench/peers/requirements.txt\n' +
  'or name a Python that has these packages in PYTHON.';

export const transformersPeft: PeerMaker = async (workload, _folder, bits) => {
  if (bits !== 32) return null;
  const python = await pythonWith('peft');
  if (python === null) return `transformers + PEFT is not set up:\n${PYTHON_SET_UP}`;
  return async () => parseFigures(await run(python, [join(PEERS, 'transformers_peft.py'), workload, '--repeats', '1']));
};

/** llama.cpp through llama-cpp-python. */
export const llamaCpp: PeerMaker = async (workload, folder, bits) => {
  const python = await pythonWith('llama_cpp');
  if (python === null) return `llama-cpp-python is not set up (it compiles llama.cpp):\n${PYTHON_SET_UP}`;
  const gguf = await writeGguf(workload, folder, bits);
  if (gguf === null) return `llama.cpp needs a Python to write the checkpoint as GGUF:\n${PYTHON_SET_UP}`;
  return async () => parseFigures(await run(python, [join(PEERS, 'llama_cpp_peer.py'), workload, gguf]));
};

export const nodeLlamaCpp: PeerMaker = async (workload, folder, bits) => {
  if (!(await exists(join(PEERS, 'node_modules/node-llama-cpp')))) {
    return 'node-llama-cpp is not set up:\n  npm install --prefix bench/peers';
  }
  const gguf = await writeGguf(workload, folder, bits);
  if (gguf === null) return `node-llama-cpp needs a Python to write the checkpoint as GGUF:\n${PYTHON_SET_UP}`;
  return async () => parseFigures(await run(process.execPath, [join(PEERS, 'node-llama-cpp.mjs'), workload, gguf]));
};

/** The model is built into `folder` by its own builder. */
export const onnxruntimeGenai: PeerMaker = async (workload, folder, bits) => {
  if (bits === 8) return null;
  const python = await pythonWith('onnxruntime_genai');
  if (python === null) return `onnxruntime-genai is not set up:\n${PYTHON_SET_UP}`;
  const model = join(folder, `genai-${bits}`);
  const script = join(PEERS, 'onnxruntime_genai_peer.py');
  if (!(await exists(join(model, 'genai_config.json')))) {
    await run(python, [script, 'build', workload, model, '--bits', String(bits)]);
  }
  return async () => parseFigures(await run(python, [script, 'run', workload, model, '--bits', String(bits)]));
};

/** Once for all that read it. */
async function writeGguf(workload: string, folder: string, bits: Bits): Promise<string | null> {
  const target = join(folder, `gguf-${bits}`);
  const file = join(target, 'gguf.json');
  if (await exists(file)) return file;
  const python = await pythonWith('gguf');
  if (python === null) return null;
  await run(python, [join(PEERS, 'write_gguf.py'), workload, target, '--bits', String(bits)]);
  return file;
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
