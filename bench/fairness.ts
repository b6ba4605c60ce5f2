/**
 * What rows that decode feel of a long prompt that comes in beside them: the time between their tokens.
 *
 * Three lanes (schedule → run → sample, as the engine has them) share one loaded model and have as many rows decoding:
 * one is left alone, into one comes the prompt in full chunks, into one in chunks by the pace of its rows. They take steps
 * in turn, so that what else goes on in the machine meets all alike. Bar: the 99th percentile between tokens stays within
 * twice that of the lane that is left alone.
 *
 * Flags: --shape=111m|135m|wide|tiny, --rows=16, --prompt=1000, --prompts=2, --chunk=128, --threads=0.
 */
import { join } from 'node:path';
import { Lane } from '../src/engine/lane.js';
import type { EngineLimits } from '../src/engine/protocol.js';
import { greedyRequest, randomPrompt } from './support/greedy-request.js';
import { flag, printTable, quantile } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag();
const ROWS = flag('rows', 16);
const PROMPT = flag('prompt', 1000);
const PROMPTS = flag('prompts', 2);
const BAR = 2;
const CHUNK = flag('chunk', 128);
/** Of the rows that decode: all begin in one step, so that they stay of one length. */
const SHORT_PROMPT = Math.max(1, Math.floor(CHUNK / ROWS));
const LIMITS: EngineLimits = {
  maxRows: ROWS + 1,
  maxWaiting: ROWS,
  prefillChunkTokens: CHUNK,
  kvBudgetBytes: 4 * 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
};

interface Arrival {
  /** Of each step of the lane while the prompt came in. */
  stepMs: number[];
  /** Of as many steps of the lane that is left alone, taken in turn. */
  aloneMs: number[];
  firstTokenMs: number[];
}

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE, 4096);
// Its KV cache has the rows of two lanes at a time.
const model = await wholeModel(source, { ...LIMITS, maxRows: 2 * LIMITS.maxRows }, folder);
process.stdout.write(
  `${describeShape(SHAPE)}\n${ROWS} rows decode, ${PROMPTS} prompts of ${PROMPT} tokens come in one after the other\n\n`,
);

const alone = await decoding(null);
printTable(describe('full chunks', await arrivalsInto(await decoding(null))));
printTable(describe('by the pace', await arrivalsInto(await decoding(undefined))));
await model.release();

/** A lane whose rows have their prompts behind them, and go on for longer than anything is measured. */
async function decoding(prefillStretch: number | null | undefined): Promise<Lane> {
  const limits = prefillStretch === undefined ? LIMITS : { ...LIMITS, prefillStretch };
  const lane = new Lane(model, limits, { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 });
  for (let i = 0; i < ROWS; i++) {
    lane.submit(greedyRequest(source, [], randomPrompt(SHORT_PROMPT, SHAPE.vocab, i), 2000));
  }
  const begun = new Set<string>();
  while (begun.size < ROWS) for (const { id } of (await lane.step()).outputs) begun.add(id);
  return lane;
}

async function arrivalsInto(lane: Lane): Promise<Arrival> {
  const arrival: Arrival = { stepMs: [], aloneMs: [], firstTokenMs: [] };
  // What it has learnt of its steps it has from a few of them.
  for (let i = 0; i < 10; i++) {
    await timed(lane);
    await timed(alone);
  }
  for (let i = 0; i < PROMPTS; i++) {
    const long = greedyRequest(source, [], randomPrompt(PROMPT, SHAPE.vocab, 1000 + i), 1);
    lane.submit(long);
    let firstTokenMs = 0;
    for (let ended = false; !ended;) {
      const first = arrival.stepMs.length % 2 === 0;
      if (first) arrival.aloneMs.push((await timed(alone)).ms);
      const step = await timed(lane);
      if (!first) arrival.aloneMs.push((await timed(alone)).ms);
      arrival.stepMs.push(step.ms);
      firstTokenMs += step.ms;
      ended = step.ids.has(long.id);
    }
    arrival.firstTokenMs.push(firstTokenMs);
  }
  for (const { id } of lane.running) lane.cancel(id);
  await lane.step();
  return arrival;
}

/** A step, in which each row that decodes got a token. */
async function timed(lane: Lane): Promise<{ ms: number; ids: Set<string> }> {
  const startMs = performance.now();
  const { outputs } = await lane.step();
  const ms = performance.now() - startMs;
  const failed = outputs.find(({ error }) => error !== undefined);
  if (failed?.error !== undefined) throw new Error(`A row failed: ${failed.error.message}`);
  return { ms, ids: new Set(outputs.map(({ id }) => id)) };
}

function describe(name: string, { stepMs, aloneMs, firstTokenMs }: Arrival): [string, string][] {
  const [during, before] = [Float64Array.from(stepMs), Float64Array.from(aloneMs)];
  const line = (q: number): string => {
    const [ms, base] = [quantile(during, q), quantile(before, q)];
    return `${ms.toFixed(1)} ms while it comes in, ${base.toFixed(1)} ms alone: ${(ms / base).toFixed(2)}×`;
  };
  const ratio = quantile(during, 0.99) / quantile(before, 0.99);
  const meanMs = firstTokenMs.reduce((sum, ms) => sum + ms, 0) / firstTokenMs.length;
  return [
    [`${name}, p50 between tokens`, line(0.5)],
    // Where the machine is busy with other things, these are what p99 shows.
    [`${name}, p90 between tokens`, line(0.9)],
    [`${name}, p99 between tokens`, `${line(0.99)} (bar ${BAR}×: ${ratio <= BAR ? 'met' : 'MISSED'})`],
    [`${name}, steps a prompt`, (stepMs.length / PROMPTS).toFixed(0)],
    [`${name}, its first token after`, `${(meanMs / 1000).toFixed(2)} s`],
  ];
}
