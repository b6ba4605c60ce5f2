/** How many bytes and positions the KV cache of one row takes: what admission and the cache itself reckon with. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';

export type KvShape = Pick<ModelConfig, 'layers' | 'kvHeads' | 'headDim'>;

const SMALLEST_CAPACITY = 64;

/** Positions of the place that a row of so many positions gets: 64, 128, 256, … */
export function kvCapacity(positions: number, maxPositions: number): number {
  let capacity = SMALLEST_CAPACITY;
  while (capacity < positions) capacity *= 2;
  return Math.min(capacity, maxPositions);
}

/** K and V of one position. */
export function kvBytesPerPosition(
  { layers, kvHeads, headDim }: KvShape,
  elementBytes = Float32Array.BYTES_PER_ELEMENT,
): number {
  return layers * kvHeads * headDim * 2 * elementBytes;
}

/** Positions of the longest row that the budget holds alone. */
export function longestRow(
  config: KvShape & Pick<ModelConfig, 'maxPositions'>,
  budgetBytes: number,
  elementBytes = Float32Array.BYTES_PER_ELEMENT,
): number {
  const affordable = Math.floor(budgetBytes / kvBytesPerPosition(config, elementBytes));
  if (affordable >= config.maxPositions) return config.maxPositions;
  let longest = 0;
  for (let capacity = SMALLEST_CAPACITY; capacity <= affordable; capacity *= 2) longest = capacity;
  return longest;
}
