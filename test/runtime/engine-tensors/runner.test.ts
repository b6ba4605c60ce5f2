/** Runs of the real runtime: whatever shares a batch, however a prompt is cut, each row computes what it does alone. */
import fc from 'fast-check';
import { foldedAdapter } from '../../../src/engine/folded-adapter.js';
import type { LoadedModel } from '../../../src/engine/loaded-model.js';
import { largestDifference } from '../../conformance/support/largest-difference.js';
import { PORT_FORMS } from '../../conformance/support/port-forms.js';
import { alone, Row } from './support/conversation.js';
import { dense, everyLinear, random, TinyModel, use, VOCAB } from './support/tiny-model.js';
import { wholeLogits } from '../../conformance/support/whole-logits.js';

/** The bar for a row in a batch against the same row alone. */
const TOLERANCE = 1e-5;

const tokens = (length: number, seed: number): number[] =>
  Array.from(random(length, seed, 1), (value) => Math.floor(((value + 1) / 2) * VOCAB) % VOCAB);

describe('runner', () => {
  let tiny: TinyModel;
  beforeAll(async () => {
    tiny = await TinyModel.create();
  });
  afterAll(async () => {
    await tiny.remove();
  });

  const adapters = () => [
    tiny.adapter('all', everyLinear(4), 1),
    tiny.adapter('attention', { q_proj: 3, v_proj: 5 }, 2),
    tiny.adapter('mlp', { gate_proj: 1, up_proj: 2, down_proj: 7 }, 3),
    tiny.adapter('head', { lm_head: 6 }, 4),
    tiny.adapter('one', everyLinear(1), 5),
  ];

  async function withModel(body: (model: LoadedModel) => Promise<void>): Promise<void> {
    const model = await tiny.load({}, adapters());
    try {
      await body(model);
    } finally {
      await model.release();
    }
  }

  test('a path equals the dense sum on a plain base', () =>
    withModel(async (model) => {
      const path = [adapters()[0]!, adapters()[2]!, adapters()[3]!];
      const weights = [1, -0.75, 0.5];
      const merged = await TinyModel.create((module) => {
        let sum: Float32Array | undefined;
        for (const [i, { deltas }] of path.entries()) {
          const delta = deltas.get(module);
          if (delta === undefined) continue;
          const added = dense(delta, weights[i]);
          sum = sum === undefined ? added : sum.map((value, j) => value + added[j]!);
        }
        return sum;
      });
      const plain = await merged.load();
      const prompt = tokens(20, 9);
      const uses = path.map((adapter, i) => use(adapter, weights[i]));
      const ours = await alone(model, uses, prompt);
      expect(largestDifference(ours, await alone(plain, [], prompt))).toBeLessThanOrEqual(1e-4);
      expect(largestDifference(ours, await alone(model, [], prompt))).toBeGreaterThan(0.1);
      await plain.release();
      await merged.remove();
    }));

  // 64 and 128 are capacities: the row changes buckets there.
  test.each([
    ['one at a time', Array.from({ length: 130 }, () => 1)],
    ['up to one before a capacity', [63, 1, 1, 63, 1, 1]],
    ['beyond a capacity', [65, 65]],
    ['a chunk that fills a capacity', [1, 63, 64, 2]],
  ])('a prompt in chunks equals the whole: %s', (_, chunks) =>
    withModel(async (model) => {
      const prompt = tokens(130, 3);
      const uses = [use(adapters()[0]!), use(adapters()[1]!, 0.5)];
      const whole = await alone(model, uses, prompt);
      const row = new Row(model, 'chunks', uses, 1);
      const parts: number[] = [];
      for (const chunk of chunks) {
        const [logits] = await wholeLogits(model.run([row.feed(prompt.slice(row.length, row.length + chunk))]));
        parts.push(...logits!);
      }
      expect(largestDifference(Float32Array.from(parts), whole)).toBeLessThanOrEqual(TOLERANCE);
    }),
  );

  test('a part of a prompt whose logits nobody wants', () =>
    withModel(async (model) => {
      const prompt = tokens(40, 4);
      const whole = await alone(model, [], prompt);
      const row = new Row(model, 'quiet', [], 40);
      expect(await wholeLogits(model.run([row.feed(prompt.slice(0, 30), 'none')]))).toEqual([new Float32Array(0)]);
      const [last] = await wholeLogits(model.run([row.feed(prompt.slice(30), 'last')]));
      expect(largestDifference(last!, whole.subarray(39 * VOCAB))).toBeLessThanOrEqual(TOLERANCE);
    }));

  test.each(PORT_FORMS)(
    'rows of different paths that join and leave compute what each does alone: %s',
    async (_, planner) => {
      const path = fc.array(
        fc.record({ adapter: fc.integer({ min: 0, max: 4 }), weight: fc.constantFrom(1, 0.5, -1.25, 2) }),
        { maxLength: 3 },
      );
      const member = fc.record({
        path,
        length: fc.integer({ min: 2, max: 90 }),
        joins: fc.integer({ min: 0, max: 4 }),
      });
      await withModel((model) => {
        model.ports.planner = planner;
        return fc.assert(
          fc.asyncProperty(
            fc.array(member, { minLength: 1, maxLength: 6 }),
            fc.infiniteStream(fc.nat()),
            async (members, picks) => {
              const pick = (below: number): number => picks.next().value! % below;
              const rows: { row: Row; prompt: number[]; expected: Float32Array }[] = [];
              const waiting = [...members.entries()];
              for (let step = 0; waiting.length > 0 || rows.length > 0; step++) {
                while (waiting.length > 0 && (waiting[0]![1].joins <= step || rows.length === 0)) {
                  const [i, { path, length }] = waiting.shift()!;
                  const uses = path.map(({ adapter, weight }) => use(adapters()[adapter]!, weight));
                  const prompt = tokens(length, length);
                  const expected = await alone(model, uses, prompt);
                  rows.push({ row: new Row(model, `row-${i}`, uses, 1), prompt, expected });
                }
                // Those of one capacity run together, some of them at least, in any order.
                const capacity = model.kv.capacity(rows[pick(rows.length)]!.row.id);
                const chosen = rows
                  .filter(({ row }) => model.kv.capacity(row.id) === capacity)
                  .filter((_, i) => i === 0 || pick(3) > 0);
                if (pick(2) === 0) chosen.reverse();
                const fits = chosen.map(({ row, prompt }) =>
                  Math.min(capacity - row.length, prompt.length - row.length),
                );
                const stuck = chosen.filter((_, i) => fits[i] === 0);
                for (const { row } of stuck) model.kv.grow(row.id, row.length + 1);
                const moving = chosen.filter((_, i) => fits[i]! > 0);
                const begins = moving.map(({ row }) => row.length);
                const runs = moving.map(({ row, prompt }) =>
                  row.feed(
                    prompt.slice(row.length, row.length + 1 + pick(Math.min(capacity, prompt.length) - row.length)),
                  ),
                );
                const logits = await wholeLogits(model.run(runs));
                for (const [i, { expected, row }] of moving.entries()) {
                  const part = expected.subarray(begins[i]! * VOCAB, row.length * VOCAB);
                  expect(largestDifference(logits[i]!, part)).toBeLessThanOrEqual(TOLERANCE);
                }
                for (const { row, prompt } of moving) {
                  if (row.length < prompt.length) continue;
                  row.close();
                  rows.splice(
                    rows.findIndex((each) => each.row === row),
                    1,
                  );
                }
              }
              expect(model.kv.usedBytes).toBe(0);
              expect(model.bank.usedRanks).toBe(0);
            },
          ),
          { numRuns: 10 },
        );
      });
    },
    60_000,
  );

  test.each(PORT_FORMS)(
    'rows beside others, of other lengths and capacities, compute what each does alone: %s',
    async (_, planner) => {
      const member = fc.record({
        path: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
        length: fc.integer({ min: 2, max: 140 }),
      });
      await withModel(async (model) => {
        let joined = 0;
        let rowCount = 0;
        model.ports.planner = planner;
        const joins = model.ports.joins.bind(model.ports);
        model.ports.joins = (first, second) => {
          const both = joins(first, second);
          if (both) joined++;
          return both;
        };
        await fc.assert(
          fc.asyncProperty(
            fc.array(member, { minLength: 2, maxLength: 6 }),
            fc.infiniteStream(fc.nat()),
            async (members, picks) => {
              const pick = (below: number): number => picks.next().value! % below;
              let rows: { row: Row; prompt: number[]; expected: Float32Array }[] = [];
              for (const { path, length } of members) {
                const uses = path.map((adapter) => use(adapters()[adapter]!));
                const prompt = tokens(length, length);
                const expected = await alone(model, uses, prompt);
                rows.push({ row: new Row(model, `row-${rowCount++}`, uses, 1), prompt, expected });
              }
              while (rows.length > 0) {
                for (const { row } of rows) {
                  if (row.length === model.kv.capacity(row.id)) model.kv.grow(row.id, row.length + 1);
                }
                const capacityOf = ({ row }: { row: Row }): number => model.kv.capacity(row.id);
                // Two groups of one capacity each, which may be the same.
                const chosen = capacityOf(rows[pick(rows.length)]!);
                const first = rows
                  .filter((each) => capacityOf(each) === chosen)
                  .filter((_, i) => i === 0 || pick(2) > 0);
                const rest = rows.filter((each) => !first.includes(each));
                const other = rest[pick(Math.max(1, rest.length))];
                const second = rest.filter((each) => other !== undefined && capacityOf(each) === capacityOf(other));
                const isDecoding = pick(2) === 0;
                const [firstRuns, secondRuns] = [first, second].map((part) =>
                  part.map(({ row, prompt }) => {
                    const most = isDecoding ? 1 : Math.min(capacityOf({ row }), prompt.length) - row.length;
                    return row.feed(prompt.slice(row.length, row.length + 1 + pick(most)));
                  }),
                );
                const logits = await wholeLogits(model.run(firstRuns!, secondRuns));
                for (const [i, { expected, row }] of [...first, ...second].entries()) {
                  const { start } = [...firstRuns!, ...secondRuns!][i]!;
                  const part = expected.subarray(start * VOCAB, row.length * VOCAB);
                  expect(largestDifference(logits[i]!, part)).toBeLessThanOrEqual(TOLERANCE);
                }
                for (const { row, prompt } of rows) if (row.length === prompt.length) row.close();
                rows = rows.filter(({ row, prompt }) => row.length < prompt.length);
              }
              expect(model.kv.usedBytes).toBe(0);
            },
          ),
          { numRuns: 6 },
        );
        expect(joined).toBeGreaterThan(5);
      });
    },
    60_000,
  );

  test.each(PORT_FORMS)(
    'an adapter that overflows harms only its own rows, and nothing after them: %s',
    async (_, planner) => {
      // Import refuses values like these. What is checked is that the engine would hold even so.
      const evil = tiny.adapter('evil', everyLinear(2), 8);
      for (const { a, b } of evil.deltas.values()) {
        a.fill(3e38);
        b.fill(3e38);
      }
      const good = adapters()[0]!;
      const model = await tiny.load({}, [evil, good]);
      model.ports.planner = planner;
      const prompt = tokens(12, 6);
      const expected = await alone(model, [use(good)], prompt);
      const bare = await alone(model, [], prompt);
      const culprit = new Row(model, 'culprit', [use(evil)], 20);
      const rows = [new Row(model, 'good', [use(good)], 20), culprit, new Row(model, 'bare', [], 20)];

      // Part of the prompt, of which the culprit wants no logits that could show what happened.
      const [first, , third] = await wholeLogits(
        model.run(rows.map((row) => row.feed(prompt.slice(0, 8), row === culprit ? 'none' : 'all'))),
      );
      expect(largestDifference(first!, expected.subarray(0, 8 * VOCAB))).toBeLessThanOrEqual(TOLERANCE);
      expect(largestDifference(third!, bare.subarray(0, 8 * VOCAB))).toBeLessThanOrEqual(TOLERANCE);
      const [good2, culprit2, bare2] = await wholeLogits(model.run(rows.map((row) => row.feed(prompt.slice(8)))));
      expect(largestDifference(good2!, expected.subarray(8 * VOCAB))).toBeLessThanOrEqual(TOLERANCE);
      expect(largestDifference(bare2!, bare.subarray(8 * VOCAB))).toBeLessThanOrEqual(TOLERANCE);
      expect(culprit2!.every(Number.isNaN)).toBe(true);

      // The next row in its place starts clean.
      culprit.close();
      const next = new Row(model, 'next', [], 20);
      await wholeLogits(model.run([next.feed(prompt.slice(0, 4))]));
      const [after] = await wholeLogits(model.run([next.feed(prompt.slice(4))]));
      expect(largestDifference(after!, bare.subarray(4 * VOCAB))).toBeLessThanOrEqual(TOLERANCE);
      await model.release();
    },
  );

  test('modules of one projection may have different ranks', () =>
    withModel(async (model) => {
      const whole = adapters()[0]!;
      const shorter = new Map(whole.deltas);
      const name = 'model.layers.1.self_attn.q_proj';
      const { a, b, inFeatures, outFeatures } = shorter.get(name)!;
      shorter.set(name, { rank: 1, inFeatures, outFeatures, a: a.slice(0, inFeatures), b: b.slice(0, outFeatures) });
      // The same in rank 4, by zeros.
      const zeroed = new Map(whole.deltas);
      zeroed.set(name, { rank: 4, inFeatures, outFeatures, a: a.map((value, i) => (i < inFeatures ? value : 0)), b });
      const other = await tiny.load({}, [foldedAdapter('shorter', shorter), foldedAdapter('zeroed', zeroed)]);
      const prompt = tokens(9, 5);
      const one = await alone(other, [use(foldedAdapter('shorter', shorter))], prompt);
      const two = await alone(other, [use(foldedAdapter('zeroed', zeroed))], prompt);
      expect(largestDifference(one, two)).toBeLessThanOrEqual(TOLERANCE);
      expect(largestDifference(one, await alone(model, [use(whole)], prompt))).toBeGreaterThan(1e-4);
      await other.release();
    }));
});
