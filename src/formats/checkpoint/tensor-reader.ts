/** Reads a checkpoint's tensors, or pieces of them, into memory that is there already. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidFileError } from '../../errors/files.js';
import { decodeBF16, decodeF16 } from '../safetensors/half.js';
import type { TensorLocation } from './tensor-location.js';

export class TensorReader {
  readonly #folder: string;
  readonly #handles = new Map<string, FileHandle>();

  /** Close it after use. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** As they are stored, from the tensor's byte `first` on, as many as `into` takes. */
  async readBytes({ file, begin, end }: TensorLocation, into: Uint8Array, first = 0): Promise<void> {
    if (begin + first + into.length > end) throw new RangeError(`Outside of a tensor of ${file}.`);
    const handle = this.#handles.get(file) ?? (await open(join(this.#folder, file), 'r'));
    this.#handles.set(file, handle);
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await handle.read(into, filled, into.length - filled, begin + first + filled);
      if (bytesRead === 0) throw new InvalidFileError(file, 'became shorter while it was read');
      filled += bytesRead;
    }
  }

  /** F32, F16 or BF16, from the tensor's element `first` on, as many as `into` takes. */
  async readFloat32(tensor: TensorLocation, into: Float32Array, first = 0): Promise<void> {
    if (tensor.dtype === 'F32') {
      return this.readBytes(tensor, new Uint8Array(into.buffer, into.byteOffset, into.byteLength), 4 * first);
    }
    if (tensor.dtype !== 'F16' && tensor.dtype !== 'BF16') {
      throw new InvalidFileError(tensor.file, `has a tensor of type ${tensor.dtype} where floating point is needed`);
    }
    const patterns = new Uint16Array(into.length);
    await this.readBytes(tensor, new Uint8Array(patterns.buffer), 2 * first);
    if (tensor.dtype === 'F16') decodeF16(patterns, into);
    else decodeBF16(patterns, into);
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
    this.#handles.clear();
  }
}
