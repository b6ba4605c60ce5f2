/** One safetensors file: its header in memory, its tensors read when they are asked for. */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { InvalidFileError, isMissingFile } from '../../errors/files.js';
import { regularFile } from '../json.js';
import { isWeightDtype, WEIGHT_DTYPES, type WeightDtype } from './dtype.js';
import { decodeBF16, decodeF16 } from './half.js';
import { headerLength, LENGTH_BYTES, parseHeader, type SafetensorsHeader, type TensorEntry } from './header.js';

/** Elements of one read: it keeps below what a read can do at all, and narrow tensors are widened piece by piece. */
const CHUNK_ELEMENTS = 2 * 1024 * 1024;

export class SafetensorsFile {
  readonly file: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly #name: string;
  readonly #handle: FileHandle;
  /** The bytes of all tensors, once they are preloaded, and where in the file they begin. */
  #preloaded: { bytes: Uint8Array<ArrayBuffer>; begin: number } | null = null;

  private constructor(file: string, name: string, handle: FileHandle, header: SafetensorsHeader) {
    this.file = file;
    this.#name = name;
    this.#handle = handle;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
  }

  /** Reads and checks the header. `name` is what messages call the file. Close it after use. */
  static async open(file: string, name = basename(file)): Promise<SafetensorsFile> {
    let handle: FileHandle | undefined;
    try {
      const { size } = await regularFile(file, name);
      handle = await open(file, 'r');
      const prefix = await read(handle, 0, Math.min(LENGTH_BYTES, size), name);
      const json = await read(handle, LENGTH_BYTES, headerLength(prefix, size, name), name);
      return new SafetensorsFile(file, name, handle, parseHeader(json, size, name));
    } catch (error) {
      await handle?.close();
      if (isMissingFile(error)) throw new InvalidFileError(name, 'is missing', { cause: error });
      throw error;
    }
  }

  /**
   * Reads the bytes of all tensors at once where they are no more than `maxBytes`: for a file of many small tensors that
   * are all wanted, since each read has its price.
   */
  async preload(maxBytes: number): Promise<void> {
    const entries = [...this.tensors.values()];
    const begin = entries[0]?.begin ?? 0;
    const end = entries.at(-1)?.end ?? 0;
    if (end - begin > maxBytes) return;
    this.#preloaded = { bytes: await read(this.#handle, begin, end - begin, this.#name), begin };
  }

  /** How many numbers a tensor has. */
  elements(name: string): number {
    return this.#entry(name).shape.reduce((product, size) => product * size, 1);
  }

  /**
   * Values of a tensor, row-major, whatever it is stored as (F32, F16 or BF16): all, or `count` from `first` on. Where the
   * file is preloaded they may be its own bytes, which aren't to be changed.
   */
  async readFloat32(name: string, first = 0, count = this.elements(name) - first): Promise<Float32Array<ArrayBuffer>> {
    const { dtype, begin } = this.#entry(name);
    if (!isWeightDtype(dtype)) {
      const known = WEIGHT_DTYPES.join(', ');
      throw new InvalidFileError(
        this.#name,
        `stores ${JSON.stringify(name)} as ${dtype}; weights are read as ${known}`,
      );
    }
    if (first < 0 || count < 0 || first + count > this.elements(name)) throw new RangeError(`Outside of ${name}.`);
    const there = dtype === 'F32' ? this.#preloadedAt(begin + first * ELEMENT_BYTES.F32, count) : null;
    if (there !== null) return there;
    const values = new Float32Array(count);
    const elementBytes = ELEMENT_BYTES[dtype];
    for (let done = 0; done < count; done += CHUNK_ELEMENTS) {
      const piece = values.subarray(done, Math.min(done + CHUNK_ELEMENTS, count));
      const position = begin + (first + done) * elementBytes;
      decode(dtype, await this.#read(position, piece.length * elementBytes), piece);
    }
    return values;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** Aligned for every element type. */
  async #read(position: number, length: number): Promise<Uint8Array> {
    if (this.#preloaded === null) return read(this.#handle, position, length, this.#name);
    const { bytes, begin } = this.#preloaded;
    const part = bytes.subarray(position - begin, position - begin + length);
    return part.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? part : part.slice();
  }

  #preloadedAt(position: number, count: number): Float32Array<ArrayBuffer> | null {
    if (this.#preloaded === null) return null;
    const { bytes, begin } = this.#preloaded;
    const offset = bytes.byteOffset + position - begin;
    return offset % ELEMENT_BYTES.F32 === 0 ? new Float32Array(bytes.buffer, offset, count) : null;
  }

  #entry(name: string): TensorEntry {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw new InvalidFileError(this.#name, `has no tensor ${JSON.stringify(name)}`);
    return tensor;
  }
}

const ELEMENT_BYTES = { F32: 4, F16: 2, BF16: 2 };

/** The format is little-endian, as is every platform that the runtime is built for. */
function decode(dtype: WeightDtype, bytes: Uint8Array, into: Float32Array): void {
  switch (dtype) {
    case 'F32':
      into.set(new Float32Array(bytes.buffer, bytes.byteOffset, into.length));
      break;
    case 'F16':
      decodeF16(new Uint16Array(bytes.buffer, bytes.byteOffset, into.length), into);
      break;
    case 'BF16':
      decodeBF16(new Uint16Array(bytes.buffer, bytes.byteOffset, into.length), into);
      break;
  }
}

/** Exactly so many bytes, in memory of their own (aligned for every element type). */
async function read(
  handle: FileHandle,
  position: number,
  length: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) throw new InvalidFileError(name, 'became shorter while it was read');
    filled += bytesRead;
  }
  return bytes;
}
