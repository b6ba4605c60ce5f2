/**
 * Whether every value is finite. x − x is 0 for a finite x and NaN for ±Inf and NaN, and a NaN stays in the sum: one
 * pass without a branch.
 */
export function allFinite(values: Float32Array, begin = 0, end = values.length): boolean {
  let one = 0;
  let other = 0;
  let i = begin;
  for (; i + 1 < end; i += 2) {
    // Inside the array, as `end` is.
    const a = values[i] as number;
    const b = values[i + 1] as number;
    one += a - a;
    other += b - b;
  }
  if (i < end) one += (values[i] as number) - (values[i] as number);
  return one + other === 0;
}
