import { open } from 'node:fs/promises';
import { encodeF16 } from './half.js';
import { LENGTH_BYTES } from './header.js';

export interface TensorToWrite {
  name: string;
  dtype: 'F32' | 'F16';
  shape: readonly number[];
  /** Row-major; rounded where dtype is F16. */
  data: Float32Array;
}

const ELEMENT_BYTES = { F32: 4, F16: 2 };

/** Writes the tensors in the order of the format's own library: wide elements first, then by name, so all are aligned. */
export async function writeSafetensors(
  file: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const ordered = [...tensors].sort(
    (one, other) => ELEMENT_BYTES[other.dtype] - ELEMENT_BYTES[one.dtype] || (one.name < other.name ? -1 : 1),
  );
  const header: [string, unknown][] = metadata ? [['__metadata__', metadata]] : [];
  let end = 0;
  for (const { name, dtype, shape, data } of ordered) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements !== data.length) {
      throw new RangeError(`Tensor ${name} is [${shape.join(', ')}], but ${data.length} values were given.`);
    }
    const begin = end;
    end += elements * ELEMENT_BYTES[dtype];
    header.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(encodeHeader(JSON.stringify(Object.fromEntries(header))));
    for (const { dtype, data } of ordered) {
      const stored = dtype === 'F32' ? data : encodeF16(data);
      await handle.writeFile(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    }
  } finally {
    await handle.close();
  }
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
