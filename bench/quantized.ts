/**
 * What quantised bases gain: one stream on the bare base, float32 against int8 and int4, and how long quantising takes.
 *
 * The three take their steps in turn, so that what else goes on in the machine meets all alike. A ratio is that of the
 * median steps; in brackets, what a tenth and nine tenths of the rounds lie under. Bar: int4 has 2× of float32's tokens per
 * second. What adapters cost over a quantised base: `npm run bench -- batch --quantize=int8`.
 *
 * Flags: --shape=111m|135m|wide|tiny, --steps=48, --prompt=32, --rows=1, --threads=0.
 */
import { join } from 'node:path';
import type { LoadedModel } from '../src/engine/loaded-model.js';
import type { EngineLimits } from '../src/engine/protocol.js';
import { decodingLane, timedStep } from './support/decoding-lane.js';
import { flag, median, printTable } from './support/measure.js';
import { quantizedSource } from './support/quantized-source.js';
import { writeRandomModel } from './support/random-model.js';
import { describeShape, parameters, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { ratioRange, takeTurns } from './support/turns.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag();
const STEPS = flag('steps', 48);
const PROMPT = flag('prompt', 32);
const ROWS = flag('rows', 1);
const BAR = 2;
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  prefillChunkTokens: ROWS * PROMPT,
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 64,
  hostBudgetBytes: 2 ** 20,
  threads: flag('threads', 0),
};

const folder = await temporaryFolder();
const plain = await writeRandomModel(join(folder, 'model'), SHAPE);
process.stdout.write(`${describeShape(SHAPE)}\n${ROWS} rows, ${PROMPT} prompt tokens, ${STEPS} rounds of steps\n\n`);

const bases: { name: string; model: LoadedModel; step: () => Promise<number>; ms: number[]; quantizedInMs: number }[] =
  [];
for (const bits of [32, 8, 4] as const) {
  const startMs = performance.now();
  const source = bits === 32 ? plain : await quantizedSource(plain, folder, bits);
  const quantizedInMs = performance.now() - startMs;
  const model = await wholeModel(source, LIMITS, folder);
  const options = { source, limits: LIMITS, prompt: PROMPT, vocab: SHAPE.vocab, steps: STEPS };
  const lane = await decodingLane(model, Array<[]>(ROWS).fill([]), options);
  bases.push({
    name: bits === 32 ? 'float32' : `int${bits}`,
    model,
    step: () => timedStep(lane),
    ms: [],
    quantizedInMs,
  });
}
await takeTurns(bases, STEPS);

const float32 = bases[0]?.ms ?? [];
printTable(
  bases.map(({ name, model, ms, quantizedInMs }) => {
    const rate = `${((ROWS * 1000) / median(ms)).toFixed(1)} tokens/s (${median(ms).toFixed(1)} ms a step)`;
    const made =
      name === 'float32' ? '' : `, quantised at ${(parameters(SHAPE) / quantizedInMs / 1e3).toFixed(0)}M weights/s`;
    const memory = `${(model.bytes / 2 ** 20).toFixed(0)} MiB${made}`;
    return [name, `${(median(float32) / median(ms)).toFixed(2)}× ${ratioRange(ms, float32)}: ${rate}, ${memory}`];
  }),
);
const int4 = median(float32) / median(bases[2]?.ms ?? []);
process.stdout.write(`\nbar: int4 ≥ ${BAR}× of float32: ${int4.toFixed(2)}×, ${int4 >= BAR ? 'met' : 'MISSED'}\n`);
for (const { model } of bases) await model.release();
