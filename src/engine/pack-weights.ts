/**
 * Has the runtime pack a model's weights, and writes them into one file so that its sessions can map it.
 *
 * The runtime packs constant weights when it loads a graph, into memory of that session's own. It can save what it has
 * packed, and maps it from there where a graph names it: entries `prepacked_N` of a tensor's external data, each an operator,
 * a hash and ranges of bytes. It packs all the same at each load, and compares the hash, so what another kind of processor
 * has packed does no harm. As it saves them the ranges begin anywhere; but kernels lay out what is in them from the next
 * multiple of 64 bytes on, and read rubbish where that moves. So each gets the beginning of a page here.
 */
import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from '../formats/checkpoint/read-checkpoint.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { DataType, decodeModel } from '../formats/onnx/model.js';
import { externalRange } from '../formats/onnx/tensor.js';
import { encodeDecoderGraph } from '../graph/decoder-graph.js';
import { syncFolder } from '../storage/durable.js';
import { Session } from './ort.js';

export const INDEX = 'weights.json';
export const WEIGHTS = 'weights.bin';

/** What the file of the index holds, as JSON. */
export interface WeightsIndex {
  /** When the weights were written; they are no longer what they were if the file says something else. */
  changedNs: string;
  tensors: Readonly<Record<string, TensorLocation>>;
}

const SAVED_GRAPH = 'saved.onnx';
const SAVED_WEIGHTS = 'saved.bin';
const PAGE_BYTES = 4096;
const CHUNK_BYTES = 4 * 1024 * 1024;
const DTYPES: Readonly<Record<number, TensorLocation['dtype']>> = {
  [DataType.float32]: 'F32',
  [DataType.float16]: 'F16',
  [DataType.bfloat16]: 'BF16',
  [DataType.uint8]: 'U8',
};

/** Into an empty folder. Blocks the thread while the runtime packs. */
export async function packWeights(checkpoint: Checkpoint, folder: string, threads: number): Promise<void> {
  const graph = encodeDecoderGraph(checkpoint.config, checkpoint.tensors, { lora: 'none' });
  const saveTo = { graphFile: join(folder, SAVED_GRAPH), weightsName: SAVED_WEIGHTS };
  const session = await Session.load({ graph, folder: checkpoint.folder }, { threads, saveTo });
  await session.release();
  const tensors: Record<string, TensorLocation> = {};
  const from = await open(join(folder, SAVED_WEIGHTS), 'r');
  const to = new AlignedFile(await open(join(folder, WEIGHTS), 'wx', 0o600));
  try {
    for (const tensor of decodeModel(await readFile(saveTo.graphFile)).graph?.initializer ?? []) {
      const range = externalRange(tensor);
      const dtype = DTYPES[tensor.dataType];
      if (range === null || dtype === undefined) continue;
      const packed: [string, string][] = [];
      for (const [key, value] of range.entries) packed.push([key, await moved(value, from, to)]);
      const begin = await to.append(from, range.offset, range.length);
      const shape = tensor.dims.map(Number);
      tensors[tensor.name] = { file: WEIGHTS, dtype, shape, begin, end: begin + range.length, packed };
    }
    await to.sync();
  } finally {
    await from.close();
    await to.close();
  }
  const { mtimeNs } = await stat(join(folder, WEIGHTS), { bigint: true });
  const index: WeightsIndex = { changedNs: String(mtimeNs), tensors };
  await writeFile(join(folder, INDEX), JSON.stringify(index), { mode: 0o600, flush: true });
  await rm(join(folder, SAVED_GRAPH));
  await rm(join(folder, SAVED_WEIGHTS));
  await syncFolder(folder);
}

/** `operator+hash|offset;length;…|offset;length;…` with the offsets that the ranges have in the other file. */
async function moved(value: string, from: FileHandle, to: AlignedFile): Promise<string> {
  const [operator = '', ...ranges] = value.split('|');
  const written: string[] = [operator];
  for (const range of ranges) {
    const [offset, length, ...rest] = range.split(';');
    const begin = await to.append(from, Number(offset), Number(length));
    written.push([begin, length, ...rest].join(';'));
  }
  return written.join('|');
}

/** A file in which each range begins a page. */
class AlignedFile {
  readonly #file: FileHandle;
  #end = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Copies a range of another file behind what is there. Returns where it begins. */
  async append(from: FileHandle, offset: number, length: number): Promise<number> {
    const begin = Math.ceil(this.#end / PAGE_BYTES) * PAGE_BYTES;
    const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK_BYTES));
    for (let copied = 0; copied < length;) {
      const { bytesRead } = await from.read(chunk, 0, Math.min(chunk.length, length - copied), offset + copied);
      if (bytesRead === 0) throw new Error('the runtime saved less than it says');
      const { bytesWritten } = await this.#file.write(chunk, 0, bytesRead, begin + copied);
      copied += bytesWritten;
    }
    this.#end = begin + length;
    return begin;
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
