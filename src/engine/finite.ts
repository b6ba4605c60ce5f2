/** The largest number of 32 bits. */
export const MAX_FLOAT32 = 3.4028234663852886e38;

/**
 * Whether every value is finite. Float32 values can't overflow a float64 sum, and ±Inf and NaN never leave one: so one
 * pass of additions tells, without a branch.
 */
export function allFinite(values: Float32Array, begin = 0, end = values.length): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = begin;
  // Four sums, so that an addition needn't wait for the one before. All inside the array, as `end` is.
  for (; i + 3 < end; i += 4) {
    a += values[i] as number;
    b += values[i + 1] as number;
    c += values[i + 2] as number;
    d += values[i + 3] as number;
  }
  for (; i < end; i++) a += values[i] as number;
  return Number.isFinite(a + b + c + d);
}
