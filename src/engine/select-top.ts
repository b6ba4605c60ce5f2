/** Where the top of a set of weighted tokens ends: found by selection, never by sorting a vocabulary. */

/** The last token that is kept, in the order of weight (falling), then id (rising). */
export interface Edge {
  weight: number;
  id: number;
}

export const byCount = (): number => 1;
export const byWeight = (weight: number): number => weight;

/** values: [n or more] → a value that n of them reach, and fewer than n exceed */
export const nthLargest = (values: Float32Array, n: number): number =>
  Float32Array.from(values).sort()[values.length - n] ?? -Infinity;

/**
 * The edge of the smallest set of top entries whose `measure` reaches `target`: quickselect by measure (Hoare's FIND),
 * linear on average. Shuffles the first `count` ids.
 */
export function selectTop(
  weights: Float64Array,
  ids: Int32Array,
  count: number,
  target: number,
  measure: (weight: number) => number,
): Edge {
  // All places are inside the arrays.
  const before = (a: number, b: number): boolean => {
    const wa = weights[a] as number;
    const wb = weights[b] as number;
    return wa > wb || (wa === wb && a < b);
  };
  const swap = (a: number, b: number): void => {
    const held = ids[a] as number;
    ids[a] = ids[b] as number;
    ids[b] = held;
  };
  let low = 0;
  let high = count; // The edge lies in [low, high).
  let reached = 0; // Measure of what lies before low.
  while (high - low > 1) {
    // Median of three, put last.
    const middle = (low + high) >> 1;
    if (before(ids[middle] as number, ids[low] as number)) swap(middle, low);
    if (before(ids[high - 1] as number, ids[low] as number)) swap(high - 1, low);
    if (before(ids[middle] as number, ids[high - 1] as number)) swap(middle, high - 1);
    const pivot = ids[high - 1] as number;
    let split = low;
    let upper = 0;
    for (let place = low; place < high - 1; place++) {
      const id = ids[place] as number;
      if (!before(id, pivot)) continue;
      upper += measure(weights[id] as number);
      swap(place, split++);
    }
    swap(split, high - 1); // The pivot stands at `split`.
    const withPivot = reached + upper + measure(weights[pivot] as number);
    if (split > low && reached + upper >= target) {
      high = split;
    } else if (withPivot >= target || split === high - 1) {
      low = split;
      break;
    } else {
      reached = withPivot;
      low = split + 1;
    }
  }
  const id = ids[low] as number;
  return { weight: weights[id] as number, id };
}
