/**
 * Tensors in a few large pieces of memory, which a session reads as if they were files.
 *
 * Large, because what was allocated tensor by tensor stays with the process when it is freed: the allocator keeps small
 * pieces, and gives back to the system only those beyond 32 MB.
 */
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import type { FileInMemory } from './ort.js';

export interface PlannedTensor {
  name: string;
  dtype: TensorLocation['dtype'];
  shape: readonly number[];
  bytes: number;
}

/** Tensors are put together up to so many bytes; a larger one has a piece of its own. */
const PIECE_BYTES = 512 * 1024 * 1024;
/** Every tensor begins at a multiple of this. */
const ALIGNMENT = 64;

export class TensorMemory {
  /** Where each tensor lies, for a graph. */
  readonly locations = new Map<string, TensorLocation>();
  readonly #pieces = new Map<string, Uint8Array>();

  constructor(tensors: Iterable<PlannedTensor>) {
    let file = '';
    let size = Infinity;
    const sizes = new Map<string, number>();
    for (const { name, dtype, shape, bytes } of tensors) {
      const aligned = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
      if (size + aligned > PIECE_BYTES) {
        file = `weights-${sizes.size}`;
        size = 0;
      }
      this.locations.set(name, { file, dtype, shape, begin: size, end: size + bytes });
      size += aligned;
      sizes.set(file, size);
    }
    for (const [name, bytes] of sizes) this.#pieces.set(name, new Uint8Array(bytes));
  }

  get files(): FileInMemory[] {
    return [...this.#pieces].map(([path, data]) => ({ path, data }));
  }

  /** The tensor's place, to be filled. */
  bytes(name: string): Uint8Array {
    const location = this.locations.get(name);
    const piece = this.#pieces.get(location?.file ?? '');
    if (location === undefined || piece === undefined) throw new Error(`there is no tensor ${name} in this memory`);
    return piece.subarray(location.begin, location.end);
  }

  /** The same, of a tensor of float32. */
  floats(name: string): Float32Array {
    const { buffer, byteOffset, byteLength } = this.bytes(name);
    return new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT);
  }
}
