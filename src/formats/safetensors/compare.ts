import type { SafetensorsFile } from './safetensors-file.js';

/** Elements that are held in memory of each side. */
const CHUNK_ELEMENTS = 1024 * 1024;
/** Values below it differ by nothing that matters, whatever their ratio: the smallest step of F16. */
const TINY = 2 ** -24;

/**
 * The largest |x − y| / |y| over two tensors of as many elements, whatever they are stored as. Reads them in pieces.
 * NaN counts as infinitely far.
 */
export async function maxDifference(
  one: SafetensorsFile,
  name: string,
  other: SafetensorsFile,
  otherName: string,
): Promise<number> {
  const elements = one.elements(name);
  if (elements !== other.elements(otherName)) return Infinity;
  let largest = 0;
  for (let first = 0; first < elements; first += CHUNK_ELEMENTS) {
    const count = Math.min(CHUNK_ELEMENTS, elements - first);
    const x = await one.readFloat32(name, first, count);
    const y = await other.readFloat32(otherName, first, count);
    for (let i = 0; i < count; i++) {
      // Inside: both have `count` elements.
      const difference = Math.abs((x[i] as number) - (y[i] as number));
      if (Number.isNaN(difference)) return Infinity;
      if (difference > TINY) largest = Math.max(largest, difference / Math.abs(y[i] as number));
    }
  }
  return largest;
}
