/**
 * A model's weights as the runtime's operators want them, in a file that every session of the model maps: so that several
 * graphs over the same weights take the memory of one. `pack-weights.ts` makes it, at the first load of a model; it takes
 * twice the disk that the weights take of memory, and as much again meanwhile.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { join } from 'node:path';
import { isMissingFile } from '../errors/files.js';
import type { Checkpoint } from '../formats/checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { loadedWeightBytes } from '../formats/quantization/loaded-bytes.js';
import { syncFolder } from '../storage/durable.js';
import { moveIntoPlace } from '../storage/move-into-place.js';
import { sweepTemporary, temporaryName } from '../storage/temporary.js';
import { RUNTIME_VERSION } from './ort.js';
import { INDEX, packWeights, WEIGHTS, type WeightsIndex } from './pack-weights.js';

export interface PackedWeights {
  /** Absolute. */
  folder: string;
  /** All that a decoder's graph reads, by the names of the checkpoint; in one file of `folder`. */
  tensors: ReadonlyMap<string, TensorLocation>;
}

export interface PackOptions {
  /** Absolute. Holds a folder for each model. */
  root: string;
  /** Base digest. */
  digest: string;
  threads: number;
}

/** Past it a step takes so long that what further graphs save isn't worth the disk. */
const MAX_BYTES = 2 * 1024 ** 3;
/** Of the disk, in sizes of the weights: as the runtime saves them, with the originals, and as they are written anew. */
const COPIES = 4;
/** Changes with what `pack-weights.ts` writes. */
const FORMAT = 1;

/** Those of an earlier load, or made now; null where the model is too large. Throws where they can't be kept. */
export async function packedWeights(checkpoint: Checkpoint, options: PackOptions): Promise<PackedWeights | null> {
  const bytes = loadedWeightBytes(checkpoint.config, checkpoint.quantization);
  if (bytes > MAX_BYTES) return null;
  const { root, digest } = options;
  const name = `${digest}-${processorKind()}`;
  const known = await read(join(root, name));
  if (known !== null) return known;
  await mkdir(root, { recursive: true, mode: 0o700 });
  await sweepTemporary(root);
  const { bavail, bsize } = await statfs(root);
  const [free, needed] = [bavail * bsize, COPIES * bytes].map((each) => Math.round(each / 2 ** 20)) as [number, number];
  if (free < needed) throw new Error(`${needed} MiB are needed to make them, and ${free} are free`);
  // Of another version of the runtime, or damaged.
  for (const other of await readdir(root)) {
    const isOld = other.startsWith(`${digest}-`) && (other !== name || (await read(join(root, name))) === null);
    if (isOld) await rm(join(root, other), { recursive: true, force: true });
  }
  const temporary = join(root, temporaryName());
  try {
    await mkdir(temporary, { mode: 0o700 });
    await packWeights(checkpoint, temporary, options.threads);
    // Where another process was sooner, it has the same there.
    await moveIntoPlace(temporary, join(root, name));
    await syncFolder(root);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return read(join(root, name));
}

/** Null where there are none that can be used. */
async function read(folder: string): Promise<PackedWeights | null> {
  try {
    const { changedNs, tensors } = JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as WeightsIndex;
    const { mtimeNs } = await stat(join(folder, WEIGHTS), { bigint: true });
    return String(mtimeNs) === changedNs ? { folder, tensors: new Map(Object.entries(tensors)) } : null;
  } catch (error) {
    if (isMissingFile(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** What the runtime packs differs by its version and by what the processor can do. */
function processorKind(): string {
  const flags = /^(flags|Features)\s*:.*$/m.exec(cpuInfo())?.[0];
  const kinds = [FORMAT, RUNTIME_VERSION, process.platform, arch(), cpus()[0]?.model, flags];
  return createHash('sha256').update(JSON.stringify(kinds)).digest('hex').slice(0, 16);
}

function cpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // Not Linux: what the processor is called must do.
    return '';
  }
}
