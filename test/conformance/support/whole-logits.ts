/** All logits of a run, for tests that compare them. */
import type { RowLogits } from '../../../src/engine/run-logits.js';

/** → [positions, vocab] of each row; NaN where the row's own numbers overflowed */
export async function wholeLogits(rows: readonly RowLogits[] | Promise<readonly RowLogits[]>): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for (const { run, first, count, finite } of await rows) {
    const logits = new Float32Array(count * run.vocabSize).fill(NaN);
    if (finite && count > 0) {
      const positions = Array.from({ length: count }, (_, i) => first + i);
      for (const [i, values] of (await run.copy(positions)).entries()) logits.set(values, i * run.vocabSize);
    }
    all.push(logits);
  }
  return all;
}
