/** Where the tensors of a safetensors file lie, known from their names and shapes before there is a single value. */
import { LENGTH_BYTES } from './header.js';

export interface TensorShape {
  name: string;
  dtype: 'F32' | 'F16' | 'U8';
  shape: readonly number[];
}

export const ELEMENT_BYTES = { F32: 4, F16: 2, U8: 1 };

export interface FileLayout {
  /** Length and JSON: what stands before the first tensor. */
  header: Uint8Array;
  /** First byte of each tensor, counted from the start of the file. */
  begins: ReadonlyMap<string, number>;
  /** Of the whole file. */
  bytes: number;
}

/** One tensor after the other, in the order given. Wide elements should come first, so that all are aligned. */
export function layOut(tensors: readonly TensorShape[], metadata?: Readonly<Record<string, string>>): FileLayout {
  const entries: [string, unknown][] = metadata ? [['__metadata__', metadata]] : [];
  const offsets = new Map<string, number>();
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    const begin = end;
    offsets.set(name, begin);
    end += elementsOf(shape) * ELEMENT_BYTES[dtype];
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const header = encodeHeader(JSON.stringify(Object.fromEntries(entries)));
  const begins = new Map([...offsets].map(([name, offset]) => [name, header.length + offset]));
  return { header, begins, bytes: header.length + end };
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Padded with spaces, so that the tensors begin at a multiple of eight. */
function encodeHeader(json: string): Uint8Array {
  const bytes = new TextEncoder().encode(json);
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8).fill(0x20);
  padded.set(bytes);
  const encoded = new Uint8Array(LENGTH_BYTES + padded.length);
  new DataView(encoded.buffer).setBigUint64(0, BigInt(padded.length), true);
  encoded.set(padded, LENGTH_BYTES);
  return encoded;
}
