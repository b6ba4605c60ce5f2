/**
 * What crosses the bus in a step on a GPU: ids, places and masks go up; down come the largest logit of each block of the
 * vocabulary and, of each row, the block that its token is in. Nothing else.
 */
import { PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import { argmax } from '../../../src/engine/logprobs.js';
import { blockCount, LOGIT_BLOCK } from '../../../src/graph/logit-blocks.js';
import type { Loaded } from '../support/devices.js';
import { DrivenRow } from '../support/driven-row.js';

const BLOCK = 64;

export function gpuBusTests(loaded: () => Loaded): void {
  test('a step of rows that decode moves no weight, no rank row, nothing of the cache, and few logits', async () => {
    const { golden, model, memory } = loaded();
    const { kvHeads, vocabSize } = golden.checkpoint.config;
    const { steps, tokens } = golden.expectations.find(({ steps }) => steps.length === 3)!;
    const uses = golden.uses(steps);
    const texts = [tokens, tokens.map((token) => (token + 1) % vocabSize)];
    const rows: DrivenRow[] = [];
    for (const text of texts) rows.push(await DrivenRow.join(model, text, uses));
    // The first runs carry the adapters up, and make the pool.
    await DrivenRow.step(
      model,
      rows.map((row) => ({ row, count: 4 })),
    );
    await DrivenRow.choose(model, rows);
    const before = { ...memory.device.bus };
    const chosen = await DrivenRow.choose(model, rows);
    const { upBytes, downBytes } = memory.device.bus;
    const likeliest: number[] = [];
    for (const text of texts) {
      const alone = await DrivenRow.alone(model, text.slice(0, rows[0]!.computed), uses);
      likeliest.push(argmax(alone.subarray(-vocabSize)));
    }
    expect(chosen).toEqual(likeliest);
    expect(likeliest[0]).not.toBe(likeliest[1]);
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
    const maxima = B * blockCount(vocabSize);
    const checks = B + B * T;
    const blocks = { asked: 8 * B, values: B * LOGIT_BLOCK };
    const expected = {
      up: ids + shapes + places + masks + blocks.asked,
      down: 4 * (maxima + checks + blocks.values),
    };
    expect({ up: upBytes - before.upBytes, down: downBytes - before.downBytes }).toEqual(expected);
  });
}
