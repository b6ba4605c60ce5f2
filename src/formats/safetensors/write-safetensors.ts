import { open } from 'node:fs/promises';
import { encodeF16 } from './half.js';
import { ELEMENT_BYTES, elementsOf, layOut, type TensorShape } from './layout.js';

export interface TensorToWrite extends TensorShape {
  dtype: 'F32' | 'F16';
  /** Row-major; rounded where dtype is F16. */
  data: Float32Array;
}

/** Writes the tensors in the order of the format's own library: wide elements first, then by name, so all are aligned. */
export async function writeSafetensors(
  file: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const ordered = [...tensors].sort(
    (one, other) => ELEMENT_BYTES[other.dtype] - ELEMENT_BYTES[one.dtype] || (one.name < other.name ? -1 : 1),
  );
  for (const { name, shape, data } of ordered) {
    if (elementsOf(shape) !== data.length) {
      throw new RangeError(`Tensor ${name} is [${shape.join(', ')}], but ${data.length} values were given.`);
    }
  }
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(layOut(ordered, metadata).header);
    for (const { dtype, data } of ordered) {
      const stored = dtype === 'F32' ? data : encodeF16(data);
      await handle.writeFile(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    }
  } finally {
    await handle.close();
  }
}
