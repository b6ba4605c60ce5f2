import fc from 'fast-check';
import { LogitReader, type Reading, type ReadToken } from '../../../src/engine/logit-reader.js';
import { argmax, largest } from '../../../src/engine/logprobs.js';
import { GREEDY, type SamplingParams } from '../../../src/engine/protocol.js';
import { randomNumbers } from '../../../src/engine/random.js';
import type { TokenHistory } from '../../../src/engine/logits-processing.js';
import { LOGIT_BLOCK } from '../../../src/graph/logit-blocks.js';
import { PlainLogits } from './support/plain-logits.js';

const PLAIN: SamplingParams = { ...GREEDY, temperature: 1 };
const NOTHING: TokenHistory = { seen: new Set(), generated: new Map() };

/** What is read of the last of two positions, where no more is known or asked. */
async function read(logits: Float32Array, reading: Partial<Reading> = {}): Promise<ReadToken> {
  const run = new PlainLogits([new Float32Array(logits.length).fill(7), logits]);
  const [token] = await new LogitReader(logits.length).read([
    {
      run,
      position: 1,
      logprobs: null,
      sampling: GREEDY,
      history: NOTHING,
      random: Math.random,
      barred: [],
      ...reading,
    },
  ]);
  return token!;
}

const draw = async (
  logits: Float32Array,
  sampling: SamplingParams,
  random: () => number,
  more: Partial<Reading> = {},
): Promise<number> => (await read(logits, { sampling, random, ...more })).token;

/** Probabilities after all cuts, by sorting: [vocab], 0 where a token is cut. */
function naiveDistribution(
  logits: readonly number[],
  params: SamplingParams,
  history: TokenHistory,
  barred: readonly number[] = [],
): number[] {
  const scores = logits.map((logit, id) => {
    if (barred.includes(id)) return -Infinity;
    let score = logit + (params.logitBias[id] ?? 0);
    if (history.seen.has(id)) score = score > 0 ? score / params.repetitionPenalty : score * params.repetitionPenalty;
    const times = history.generated.get(id) ?? 0;
    return Math.fround(times === 0 ? score : score - params.presencePenalty - params.frequencyPenalty * times);
  });
  const max = Math.max(...scores);
  const weights = scores.map((score) => Math.exp((score - max) / params.temperature));
  const order = weights.map((_, id) => id).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const top = params.topK > 0 ? order.slice(0, params.topK) : order;
  const mass = top.reduce((sum, id) => sum + weights[id]!, 0);
  const nucleus: number[] = [];
  let reached = 0;
  for (const id of top) {
    if (params.topP < 1 && reached >= params.topP * mass) break;
    nucleus.push(id);
    reached += weights[id]!;
  }
  const kept = nucleus.filter((id) => weights[id]! >= params.minP);
  const total = kept.reduce((sum, id) => sum + weights[id]!, 0);
  return weights.map((weight, id) => (kept.includes(id) ? weight / total : 0));
}

/** The token that a draw of `uniform` gives, walking in id order. */
function naiveDraw(distribution: readonly number[], uniform: number): number {
  let passed = 0;
  for (const [id, probability] of distribution.entries()) {
    passed += probability;
    if (probability > 0 && passed > uniform) return id;
  }
  return distribution.findLastIndex((probability) => probability > 0);
}

/** Few distinct values, so that ties are common. Float32 values, as logits are. Up to three blocks, of which one is cut off. */
const someLogits = fc.array(
  fc.integer({ min: -40, max: 40 }).map((n) => n / 4),
  { minLength: 1, maxLength: 70 },
);
const logitsArbitrary = fc
  .tuple(someLogits, fc.constantFrom(1, 1, 8, 2 * LOGIT_BLOCK + 3), fc.integer({ min: 0, max: 20 }))
  .map(([some, length, step]) =>
    // Repeated with a drift, so that blocks differ.
    Array.from({ length: Math.max(some.length, length) }, (_, i) => {
      const turn = Math.floor(i / some.length);
      return some[i % some.length]! - ((turn * step) % 7);
    }),
  );
const paramsArbitrary: fc.Arbitrary<SamplingParams> = fc.record({
  temperature: fc.constantFrom(0.25, 0.7, 1, 1.5, 3),
  topK: fc.constantFrom(0, 1, 2, 3, 10, 69, 70, 71, 500, 1000),
  topP: fc.constantFrom(0.013, 0.31, 0.52, 0.93, 0.9999, 1),
  minP: fc.constantFrom(0, 0.011, 0.21, 1),
  repetitionPenalty: fc.constantFrom(1, 1.25, 0.8),
  presencePenalty: fc.constantFrom(0, 0.5, -0.5),
  frequencyPenalty: fc.constantFrom(0, 0.25, -0.25),
  logitBias: fc.dictionary(fc.integer({ min: 0, max: 600 }).map(String), fc.constantFrom(-100, -1, 1, 5)),
  seed: fc.constant(null),
});
const historyArbitrary = fc
  .array(fc.integer({ min: 0, max: 69 }), { maxLength: 20 })
  .map((tokens) => ({ seen: new Set(tokens), generated: new Map(tokens.map((token, i) => [token, (i % 3) + 1])) }));

describe('a draw', () => {
  test('gives what sorting and cutting the whole vocabulary would give', async () => {
    await fc.assert(
      fc.asyncProperty(
        logitsArbitrary,
        paramsArbitrary,
        historyArbitrary,
        fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 3 }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        async (logits, params, history, unwanted, uniform) => {
          // One is left.
          const barred = unwanted.filter((id) => id > 0);
          // Only tokens of the vocabulary can have been seen.
          const known = {
            seen: new Set([...history.seen].filter((id) => id < logits.length)),
            generated: new Map([...history.generated].filter(([id]) => id < logits.length)),
          };
          const token = await draw(Float32Array.from(logits), params, () => uniform, { history: known, barred });
          const distribution = naiveDistribution(logits, params, known, barred);
          // A uniform number on the very border of two tokens may fall to either side: masses are of float32.
          const near = [uniform - 1e-6, uniform, uniform + 1e-6].map((u) => naiveDraw(distribution, Math.max(0, u)));
          expect(near).toContain(token);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('is greedy at temperature 0, after bias and penalties', async () => {
    const greedy = { ...PLAIN, temperature: 0 };
    const logits = Float32Array.of(1, 4, 4, -2);
    const never = () => {
      throw new Error('a greedy draw needs no chance');
    };
    expect(await draw(logits, greedy, never)).toBe(1);
    expect(await draw(logits, { ...greedy, logitBias: { 3: 10 } }, never)).toBe(3);
    expect(await draw(logits, greedy, never, { barred: [1] })).toBe(2);
    expect(await draw(logits, greedy, never, { barred: [0, 1, 2, 3] })).toBe(1);
    const history = { seen: new Set([1]), generated: new Map([[1, 1]]) };
    expect(await draw(logits, { ...greedy, repetitionPenalty: 1.1 }, never, { history })).toBe(2);
    expect(await draw(logits, { ...greedy, presencePenalty: 0.1 }, never, { history })).toBe(2);
    expect(await draw(logits, { ...greedy, frequencyPenalty: 0.1 }, never, { history })).toBe(2);
    expect([...logits]).toEqual([1, 4, 4, -2]);
  });

  test('the lowest of equal tokens wins, in whichever block', async () => {
    const logits = new Float32Array(4 * LOGIT_BLOCK).fill(-1);
    for (const id of [3 * LOGIT_BLOCK, 2 * LOGIT_BLOCK + 1, LOGIT_BLOCK + 9, LOGIT_BLOCK + 8]) logits[id] = 5;
    expect(await draw(logits, GREEDY, Math.random)).toBe(LOGIT_BLOCK + 8);
    expect(await draw(logits, { ...PLAIN, topK: 2 }, () => 0.99)).toBe(LOGIT_BLOCK + 9);
    expect(await draw(logits, { ...PLAIN, topP: 0.01 }, () => 0.99)).toBe(LOGIT_BLOCK + 8);
  });

  test('the presence penalty counts a token once, the frequency penalty each time', async () => {
    const logits = Float32Array.of(1, 0);
    const history = { seen: new Set([0]), generated: new Map([[0, 3]]) };
    const greedy = { ...PLAIN, temperature: 0 };
    expect(await draw(logits, { ...greedy, presencePenalty: 0.4 }, Math.random, { history })).toBe(0);
    expect(await draw(logits, { ...greedy, frequencyPenalty: 0.4 }, Math.random, { history })).toBe(1);
  });

  test('finds the cuts in a vocabulary of 150,000, peaked, flat and constant', async () => {
    const vocab = 150_000;
    const random = randomNumbers(5);
    const shapes: [string, (id: number) => number][] = [
      ['peaked', (id) => 20 * Math.sin(id * 12.9898) ** 9],
      ['flat', (id) => Math.sin(id * 78.233) / 10],
      ['constant', () => 1],
    ];
    for (const [, shape] of shapes) {
      const logits = Float32Array.from({ length: vocab }, (_, id) => shape(id));
      const params = { ...PLAIN, topK: 1000, topP: 0.8 };
      const rank = (id: number): number => {
        let before = 0;
        for (let other = 0; other < vocab; other++) {
          if (logits[other]! > logits[id]! || (logits[other] === logits[id] && other < id)) before++;
        }
        return before;
      };
      for (let n = 0; n < 2; n++) expect(rank(await draw(logits, params, random))).toBeLessThan(1000);
      expect(await draw(logits, { ...PLAIN, topP: 1e-9 }, random)).toBe(argmax(logits));
      const last = await draw(logits, { ...PLAIN, topP: 0.5 }, () => 1 - 2 ** -53);
      expect(rank(last)).toBeLessThan(vocab / 2 + 1);
    }
  });

  test('looks at few blocks of a peaked vocabulary', async () => {
    const vocab = 200 * LOGIT_BLOCK;
    const peaks = [3, 5 * LOGIT_BLOCK, 77 * LOGIT_BLOCK + 5];
    const logits = new Float32Array(vocab);
    for (const id of peaks) logits[id] = 30;
    const blocksFor = async (sampling: SamplingParams, logprobs: number | null): Promise<number> => {
      const run = new PlainLogits([logits]);
      const reading = { run, position: 0, sampling, logprobs, history: NOTHING, random: () => 0.5, barred: [] };
      const [drawn] = await new LogitReader(vocab).read([reading]);
      expect(peaks).toContain(drawn!.token);
      return run.blocksRead;
    };
    expect(await blocksFor(GREEDY, null)).toBe(1);
    expect(await blocksFor(PLAIN, null)).toBe(1);
    expect(await blocksFor({ ...PLAIN, topK: 3 }, null)).toBe(3);
    expect(await blocksFor({ ...PLAIN, topP: 0.9 }, null)).toBe(3);
    expect(await blocksFor({ ...PLAIN, minP: 0.1 }, null)).toBe(3);
    expect(await blocksFor(GREEDY, 3)).toBe(3);
  });

  test('many positions read at once say what each says alone', async () => {
    const vocab = 3 * LOGIT_BLOCK + 7;
    const random = randomNumbers(3);
    const runs = Array.from(
      { length: 2 },
      () =>
        new PlainLogits(
          Array.from({ length: 4 }, () => Float32Array.from({ length: vocab }, () => Math.fround(10 * random()))),
        ),
    );
    const history = { seen: new Set([1, 600]), generated: new Map([[600, 2]]) };
    const samplings = [
      GREEDY,
      PLAIN,
      { ...PLAIN, topP: 0.7 },
      { ...PLAIN, topK: 5 },
      { ...PLAIN, temperature: 0.5, minP: 0.2 },
      { ...PLAIN, frequencyPenalty: 1 },
      { ...PLAIN, temperature: 2, repetitionPenalty: 1.3, topP: 0.9 },
      PLAIN,
    ];
    const readings = samplings.map((sampling, i): Reading => {
      const reading = { run: runs[i % 2]!, position: i >> 1, sampling, history, random: () => 0.4, barred: [] };
      if (i === 7) return { ...reading, known: 600, logprobs: 2 };
      return { ...reading, logprobs: i % 3 === 0 ? 4 : null };
    });
    const reader = new LogitReader(vocab);
    const together = await reader.read(readings);
    for (const [i, reading] of readings.entries()) expect(await reader.read([reading])).toEqual([together[i]]);
  });

  test('the same seed draws the same tokens; another seed, and no seed, others', async () => {
    const logits = new Float32Array(1000);
    const drawn = async (seed: number | null): Promise<number[]> => {
      const random = randomNumbers(seed);
      const tokens: number[] = [];
      for (let n = 0; n < 20; n++) tokens.push(await draw(logits, PLAIN, random));
      return tokens;
    };
    expect(await drawn(7)).toEqual(await drawn(7));
    expect(await drawn(7)).not.toEqual(await drawn(8));
    expect(await drawn(7)).not.toEqual(await drawn(7 + 2 ** 32));
    expect(await drawn(-7)).not.toEqual(await drawn(7));
    expect(await drawn(null)).not.toEqual(await drawn(null));
  });

  test('gives no room to a token that is all but impossible, however masses were rounded', async () => {
    const logits = Float32Array.from({ length: LOGIT_BLOCK }, (_, id) => (id < 100 ? Math.sin(id) : -60));
    const run = new PlainLogits([logits]);
    const massesOf = run.massesOf.bind(run);
    run.massesOf = async (wanted) => (await massesOf(wanted)).map((masses) => masses.map((mass) => mass * (1 + 1e-6)));
    const reading = { run, position: 0, sampling: PLAIN, logprobs: null, history: NOTHING, barred: [] };
    const [drawn] = await new LogitReader(LOGIT_BLOCK).read([{ ...reading, random: () => 1 - 1e-7 }]);
    expect(drawn!.token).toBe(99);
  });

  test('draws in proportion to the probabilities, in one block and over several', async () => {
    const probabilities = [0.5, 0.3, 0.15, 0.05];
    for (const apart of [1, LOGIT_BLOCK + 1]) {
      const logits = new Float32Array(probabilities.length * apart).fill(-100);
      for (const [i, share] of probabilities.entries()) logits[i * apart] = Math.log(share);
      const random = randomNumbers(1);
      const counts = [0, 0, 0, 0];
      for (let n = 0; n < 10_000; n++) counts[(await draw(logits, PLAIN, random)) / apart]!++;
      // Four standard deviations of a share at the most.
      for (const [id, share] of probabilities.entries())
        expect(Math.abs(counts[id]! / 10_000 - share)).toBeLessThan(0.02);
    }
  });

  test('of the least of all penalties and temperatures is still a token', async () => {
    const logits = Float32Array.of(-1, 2, 3, 0);
    const history = { seen: new Set([0, 1, 2]), generated: new Map<number, number>() };
    for (const temperature of [Number.MIN_VALUE, 0.5, 1]) {
      const params = { ...PLAIN, temperature, repetitionPenalty: Number.MIN_VALUE };
      expect([1, 2]).toContain(await draw(logits, params, () => 0.9, { history }));
    }
  });
});

describe('log-probabilities', () => {
  test('are those of a naive log-softmax in float64', async () => {
    await fc.assert(
      fc.asyncProperty(logitsArbitrary, fc.nat(), fc.integer({ min: 0, max: 20 }), async (values, pick, count) => {
        const known = pick % values.length;
        const total = values.reduce((sum, value) => sum + Math.exp(value), 0);
        const { token, logprob } = await read(Float32Array.from(values), { known, logprobs: count });
        expect(token).toBe(known);
        expect(logprob!.logprob).toBeCloseTo(Math.log(Math.exp(values[known]!) / total), 5);
        const order = values.map((_, id) => id).sort((a, b) => values[b]! - values[a]! || a - b);
        expect(logprob!.top.map((entry) => entry.token)).toEqual(order.slice(0, count));
      }),
    );
  });

  test("are the model's own, whatever is drawn from", async () => {
    const logits = new Float32Array(3 * LOGIT_BLOCK).fill(-1e4);
    const [zero, one, two] = [5, LOGIT_BLOCK, 2 * LOGIT_BLOCK];
    for (const [logit, id] of [zero, one, two].entries()) logits[id] = logit;
    const normalizer = Math.log(1 + Math.E + Math.E ** 2);
    for (const temperature of [0, 0.1]) {
      const sampling = { ...PLAIN, temperature, logitBias: { [two]: -50 } };
      for (const alternatives of [0, 1]) {
        const { token, logprob } = await read(logits, { sampling, logprobs: alternatives });
        expect(token).toBe(one);
        expect(logprob!.logprob).toBeCloseTo(1 - normalizer, 6);
        expect(logprob!.top.map((entry) => entry.token)).toEqual([two].slice(0, alternatives));
      }
    }
  });

  test('neither overflow nor vanish', async () => {
    const logprobOf = async (logits: Float32Array, known: number): Promise<number> =>
      (await read(logits, { known, logprobs: 0 })).logprob!.logprob;
    expect(await logprobOf(Float32Array.of(-3e38, 3e38), 1)).toBe(0);
    expect(await logprobOf(Float32Array.of(1e30, 1e30), 0)).toBeCloseTo(-Math.log(2), 6);
    expect(await logprobOf(new Float32Array(150_000), 0)).toBeCloseTo(-Math.log(150_000), 6);
  });

  test('the largest few', () => {
    expect(largest(Float32Array.of(3, 1, 3, 2), 3)).toEqual([0, 2, 3]);
    expect(largest(Float32Array.of(3, 1), 5)).toEqual([0, 1]);
    expect(largest(Float32Array.of(3, 1), 0)).toEqual([]);
  });
});
