/**
 * What it costs to draw tokens, which a vocabulary of tens of thousands makes dear: lanes of one model whose rows differ in
 * what they ask for take their steps in turn. A ratio is that of the median steps to those of greedy rows; in brackets, what
 * a tenth and nine tenths of the rounds lie under.
 *
 * The logits of random weights are nearly flat, so that a nucleus (top-p) is most of the vocabulary: the worst case. At a
 * temperature of 0.05 they are as peaked as those of a trained model.
 *
 * Flags: --shape=135m|111m|wide|tiny, --rows=16, --quantize=int8|int4, --steps=24, --prompt=32, --threads=0.
 */
import { join } from 'node:path';
import { type EngineLimits, type GenerationRequest, GREEDY } from '../src/engine/protocol.js';
import { decodingLane, timedStep } from './support/decoding-lane.js';
import { choice, flag, median, printTable } from './support/measure.js';
import { quantizedSource } from './support/quantized-source.js';
import { writeRandomModel } from './support/random-model.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { type Contestant, ratioRange, takeTurns } from './support/turns.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag('135m');
const STEPS = flag('steps', 24);
const PROMPT = flag('prompt', 32);
const ROWS = flag('rows', 16);
const BITS = ({ none: 32, int8: 8, int4: 4 } as const)[choice('quantize', ['none', 'int8', 'int4'], 'none')];
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  prefillChunkTokens: ROWS * PROMPT,
  kvBudgetBytes: 4 * 2 ** 30,
  bankRankBudget: 64,
  hostBudgetBytes: 2 ** 20,
  threads: flag('threads', 0),
};

const PLAIN = { ...GREEDY, temperature: 1 };
const ASKED: readonly (readonly [string, Pick<GenerationRequest, 'sampling' | 'logprobs'>])[] = [
  ['greedy', { sampling: GREEDY, logprobs: null }],
  ['temperature 1', { sampling: PLAIN, logprobs: null }],
  ['top-p 0.9, flat', { sampling: { ...PLAIN, topP: 0.9 }, logprobs: null }],
  ['top-p 0.9, peaked', { sampling: { ...PLAIN, temperature: 0.05, topP: 0.9 }, logprobs: null }],
  ['top-k 40', { sampling: { ...PLAIN, topK: 40 }, logprobs: null }],
  ['repetition penalty 1.1', { sampling: { ...PLAIN, repetitionPenalty: 1.1 }, logprobs: null }],
  ['greedy, 5 log-probabilities', { sampling: GREEDY, logprobs: 5 }],
];

const folder = await temporaryFolder();
const plain = await writeRandomModel(join(folder, 'model'), SHAPE);
const source = BITS === 32 ? plain : await quantizedSource(plain, folder, BITS);
process.stdout.write(
  `${describeShape(SHAPE)}\n${BITS} bits, ${ROWS} rows, ${PROMPT} prompt tokens, ${STEPS} rounds\n\n`,
);
// Its KV cache has the rows of all lanes.
const model = await wholeModel(source, { ...LIMITS, maxRows: ASKED.length * ROWS }, folder);

const lanes: (Contestant & { name: string })[] = [];
for (const [name, asked] of ASKED) {
  const options = { source, limits: LIMITS, prompt: PROMPT, vocab: SHAPE.vocab, steps: STEPS, asked };
  const lane = await decodingLane(model, Array<[]>(ROWS).fill([]), options);
  lanes.push({ name, step: () => timedStep(lane), ms: [] });
}
await takeTurns(lanes, STEPS);

const greedy = lanes[0]?.ms ?? [];
printTable(
  lanes.map(({ name, ms }) => {
    const ratio = median(greedy) / median(ms);
    return [name, `${ratio.toFixed(2)}× ${ratioRange(ms, greedy)}: ${median(ms).toFixed(1)} ms a step`];
  }),
);
await model.release();
