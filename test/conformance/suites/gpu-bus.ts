/** What crosses the bus in a step on a GPU: ids, places and masks go up, logits come down. Nothing else. */
import { PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import type { Loaded } from '../support/devices.js';
import { DrivenRow } from '../support/driven-row.js';

const BLOCK = 64;

export function gpuBusTests(loaded: () => Loaded): void {
  test('a step of rows that decode moves no weight, no rank row and nothing of the cache', async () => {
    const { golden, model, memory } = loaded();
    const { kvHeads, vocabSize } = golden.checkpoint.config;
    const { steps, tokens } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const uses = golden.uses(steps);
    const rows = [await DrivenRow.join(model, tokens, uses), await DrivenRow.join(model, tokens, uses)];
    // The first runs carry the adapters up, and make the pool.
    await DrivenRow.step(
      model,
      rows.map((row) => ({ row, count: 4 })),
    );
    await DrivenRow.step(
      model,
      rows.map((row) => ({ row, count: 1 })),
    );
    const before = { ...memory.device.bus };
    await DrivenRow.step(
      model,
      rows.map((row) => ({ row, count: 1 })),
    );
    const { upBytes, downBytes } = memory.device.bus;
    for (const row of rows) row.leave();

    const [B, T] = [rows.length, 1];
    const ranks = PROJECTIONS.map((projection) =>
      steps.reduce((sum, { node }) => {
        const deltas = [...golden.adapter(node).deltas].filter(([module]) => module.endsWith(projection));
        return sum + Math.max(0, ...deltas.map(([, { rank }]) => rank));
      }, 0),
    );
    const masks = 4 * B * T * ranks.reduce((sum, rank) => sum + rank, 0);
    const ids = 8 * 3 * B * T;
    const shapes = 8 * 2 * 4;
    const places = 8 * (B * kvHeads * T + B * kvHeads) + 4 * (BLOCK + B * T);
    const expected = { up: ids + shapes + places + masks, down: 4 * (B * vocabSize + B * T) };
    expect({ up: upBytes - before.upBytes, down: downBytes - before.downBytes }).toEqual(expected);
  });
}
