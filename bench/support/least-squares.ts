/** x that makes |A x − b|² least, none of x below 0: coordinate descent, which is enough for a handful of unknowns. */
export function leastSquares(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const unknowns = a[0]?.length ?? 0;
  // Columns differ by orders of magnitude: descend on those of length 1.
  const lengths = Array.from({ length: unknowns }, (_, j) => Math.hypot(...a.map((row) => row[j] ?? 0)));
  const x = new Array<number>(unknowns).fill(0);
  for (let round = 0; round < 10_000; round++) {
    for (let j = 0; j < unknowns; j++) {
      let gradient = 0;
      for (const [i, row] of a.entries()) {
        const predicted = row.reduce((sum, value, k) => sum + (value / (lengths[k] ?? 1)) * (x[k] ?? 0), 0);
        gradient += ((b[i] ?? 0) - predicted) * ((row[j] ?? 0) / (lengths[j] ?? 1));
      }
      x[j] = Math.max(0, (x[j] ?? 0) + gradient);
    }
  }
  return x.map((value, j) => value / (lengths[j] ?? 1));
}
