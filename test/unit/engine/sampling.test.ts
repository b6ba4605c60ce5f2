import fc from 'fast-check';
import { argmax, largest, logSumExp, tokenLogprob } from '../../../src/engine/logprobs.js';
import { GREEDY, type SamplingParams } from '../../../src/engine/protocol.js';
import { randomNumbers } from '../../../src/engine/random.js';
import { Sampler, type TokenHistory } from '../../../src/engine/sampling.js';

const PLAIN: SamplingParams = { ...GREEDY, temperature: 1 };
const NOTHING: TokenHistory = { seen: new Set(), generated: new Map() };

/** Probabilities after all cuts, by sorting: [vocab], 0 where a token is cut. */
function naiveDistribution(logits: readonly number[], params: SamplingParams, history: TokenHistory): number[] {
  const scores = logits.map((logit, id) => {
    let score = logit + (params.logitBias[id] ?? 0);
    if (history.seen.has(id)) score = score > 0 ? score / params.repetitionPenalty : score * params.repetitionPenalty;
    const times = history.generated.get(id) ?? 0;
    return times === 0 ? score : score - params.presencePenalty - params.frequencyPenalty * times;
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

/** Few distinct values, so that ties are common. Float32 values, as logits are. */
const logitsArbitrary = fc.array(
  fc.integer({ min: -40, max: 40 }).map((n) => n / 4),
  { minLength: 1, maxLength: 70 },
);
const paramsArbitrary: fc.Arbitrary<SamplingParams> = fc.record({
  temperature: fc.constantFrom(0.25, 0.7, 1, 1.5, 3),
  topK: fc.constantFrom(0, 1, 2, 3, 10, 69, 70, 71, 1000),
  topP: fc.constantFrom(0.013, 0.31, 0.52, 0.93, 0.9999, 1),
  minP: fc.constantFrom(0, 0.011, 0.21, 1),
  repetitionPenalty: fc.constantFrom(1, 1.25, 0.8),
  presencePenalty: fc.constantFrom(0, 0.5, -0.5),
  frequencyPenalty: fc.constantFrom(0, 0.25, -0.25),
  logitBias: fc.dictionary(fc.integer({ min: 0, max: 69 }).map(String), fc.constantFrom(-100, -1, 1, 5)),
  seed: fc.constant(null),
});
const historyArbitrary = fc
  .array(fc.integer({ min: 0, max: 69 }), { maxLength: 20 })
  .map((tokens) => ({ seen: new Set(tokens), generated: new Map(tokens.map((token, i) => [token, (i % 3) + 1])) }));

describe('Sampler', () => {
  test('draws what sorting and cutting the whole vocabulary would give', () => {
    fc.assert(
      fc.property(
        logitsArbitrary,
        paramsArbitrary,
        historyArbitrary,
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (logits, params, history, uniform) => {
          // Only tokens of the vocabulary can have been seen.
          const known = {
            seen: new Set([...history.seen].filter((id) => id < logits.length)),
            generated: new Map([...history.generated].filter(([id]) => id < logits.length)),
          };
          const token = new Sampler(logits.length).sample(Float32Array.from(logits), params, known, () => uniform);
          const distribution = naiveDistribution(logits, params, known);
          // A uniform number on the very border of two tokens may fall to either side.
          const near = [uniform - 1e-9, uniform, uniform + 1e-9].map((u) => naiveDraw(distribution, Math.max(0, u)));
          expect(near).toContain(token);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('is greedy at temperature 0, after bias and penalties', () => {
    const sampler = new Sampler(4);
    const greedy = { ...PLAIN, temperature: 0 };
    const logits = Float32Array.of(1, 4, 4, -2);
    const never = () => {
      throw new Error('a greedy draw needs no chance');
    };
    expect(sampler.sample(logits, greedy, NOTHING, never)).toBe(1);
    expect(sampler.sample(logits, { ...greedy, logitBias: { 3: 10 } }, NOTHING, never)).toBe(3);
    expect(sampler.sample(logits, greedy, NOTHING, never, [1])).toBe(2);
    const once = { seen: new Set([1]), generated: new Map([[1, 1]]) };
    expect(sampler.sample(logits, { ...greedy, repetitionPenalty: 1.1 }, once, never)).toBe(2);
    expect(sampler.sample(logits, { ...greedy, presencePenalty: 0.1 }, once, never)).toBe(2);
    expect(sampler.sample(logits, { ...greedy, frequencyPenalty: 0.1 }, once, never)).toBe(2);
    expect([...logits]).toEqual([1, 4, 4, -2]);
  });

  test('the presence penalty counts a token once, the frequency penalty each time', () => {
    const sampler = new Sampler(2);
    const logits = Float32Array.of(1, 0);
    const thrice = { seen: new Set([0]), generated: new Map([[0, 3]]) };
    const greedy = { ...PLAIN, temperature: 0 };
    expect(sampler.sample(logits, { ...greedy, presencePenalty: 0.4 }, thrice, Math.random)).toBe(0);
    expect(sampler.sample(logits, { ...greedy, frequencyPenalty: 0.4 }, thrice, Math.random)).toBe(1);
  });

  test('finds the cuts in a vocabulary of 150,000, peaked, flat and constant', () => {
    const vocab = 150_000;
    const sampler = new Sampler(vocab);
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
      for (let draw = 0; draw < 2; draw++)
        expect(rank(sampler.sample(logits, params, NOTHING, random))).toBeLessThan(1000);
      const nucleus = sampler.sample(logits, { ...PLAIN, topP: 1e-9 }, NOTHING, random);
      expect(nucleus).toBe(argmax(logits));
      const last = sampler.sample(logits, { ...PLAIN, topP: 0.5 }, NOTHING, () => 1 - 2 ** -53);
      expect(rank(last)).toBeLessThan(vocab / 2 + 1);
    }
  });

  test('the same seed draws the same tokens; another seed, and no seed, others', () => {
    const logits = new Float32Array(1000);
    const draw = (seed: number | null): number[] => {
      const sampler = new Sampler(1000);
      const random = randomNumbers(seed);
      return Array.from({ length: 20 }, () => sampler.sample(logits, PLAIN, NOTHING, random));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw(7)).not.toEqual(draw(7 + 2 ** 32));
    expect(draw(-7)).not.toEqual(draw(7));
    expect(draw(null)).not.toEqual(draw(null));
  });

  test('draws in proportion to the probabilities', () => {
    const probabilities = [0.5, 0.3, 0.15, 0.05];
    const logits = Float32Array.from(probabilities, Math.log);
    const sampler = new Sampler(4);
    const random = randomNumbers(1);
    const counts = [0, 0, 0, 0];
    for (let n = 0; n < 20_000; n++) counts[sampler.sample(logits, PLAIN, NOTHING, random)]!++;
    // Four standard deviations of a share at the most.
    for (const [id, share] of probabilities.entries())
      expect(Math.abs(counts[id]! / 20_000 - share)).toBeLessThan(0.015);
  });
});

describe('log-probabilities', () => {
  test('are those of a naive log-softmax in float64', () => {
    fc.assert(
      fc.property(logitsArbitrary, fc.nat(), fc.integer({ min: 0, max: 20 }), (values, pick, count) => {
        const logits = Float32Array.from(values);
        const token = pick % values.length;
        const total = values.reduce((sum, value) => sum + Math.exp(value), 0);
        const { logprob, top } = tokenLogprob(logits, token, count);
        expect(logprob).toBeCloseTo(Math.log(Math.exp(values[token]!) / total), 9);
        const order = values.map((_, id) => id).sort((a, b) => values[b]! - values[a]! || a - b);
        expect(top.map((entry) => entry.token)).toEqual(order.slice(0, count));
      }),
    );
  });

  test('neither overflow nor vanish', () => {
    expect(logSumExp(Float32Array.of(1e30, 1e30))).toBeCloseTo(Math.fround(1e30), -20);
    expect(tokenLogprob(Float32Array.of(-3e38, 3e38), 1, 0).logprob).toBe(0);
    // Summed in float32, 150,000 equal terms would lose digits.
    expect(logSumExp(new Float32Array(150_000))).toBeCloseTo(Math.log(150_000), 12);
  });

  test('the largest few', () => {
    expect(largest(Float32Array.of(3, 1, 3, 2), 3)).toEqual([0, 2, 3]);
    expect(largest(Float32Array.of(3, 1), 5)).toEqual([0, 1]);
    expect(largest(Float32Array.of(3, 1), 0)).toEqual([]);
  });
});

test('the least of all penalties and temperatures still draw a token', () => {
  const sampler = new Sampler(4);
  const logits = Float32Array.of(-1, 2, 3, 0);
  const history = { seen: new Set([0, 1, 2]), generated: new Map() };
  for (const temperature of [Number.MIN_VALUE, 0.5, 1]) {
    const params = { ...PLAIN, temperature, repetitionPenalty: Number.MIN_VALUE };
    expect([1, 2]).toContain(sampler.sample(logits, params, history, () => 0.9));
  }
});
