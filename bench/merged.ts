/**
 * What a merged lane runs at: one row, and sixteen, on a path of depth three that is merged, against as many rows on the
 * base and on the same path factored; how long a merge takes, what it does to rows that run meanwhile, and what it costs
 * of memory.
 *
 * The base is measured as it is served, in the lane with LoRA ports and no ranks fed, and without ports: the weights as
 * they are in a session of their own. Lanes (schedule → run → sample, as the engine has them) take their steps in turn, so
 * that what else goes on in the machine meets all alike. A ratio is that of the median steps; in brackets, what a tenth and
 * nine tenths of the rounds lie under. Bar: merged takes 1.02× of the base's time at the most, with one row and sixteen.
 *
 * With --device=webgpu all of it is measured on a GPU, and beside it which share of the GPU's memory bandwidth merging uses.
 *
 * Flags: --device=cpu|webgpu, --dtype=auto|float32|float16 (of a GPU), --shape=111m|135m|wide|tiny, --quantize=none|int8|int4,
 * --steps=48, --prompt=32, --rank=8, --threads=0.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GPU_DTYPE_CHOICES } from '../src/engine/device-choice.js';
import { Lane, type LaneModel } from '../src/engine/lane.js';
import { loadModel } from '../src/engine/load-model.js';
import { EngineMemory } from '../src/engine/loaded-model.js';
import type { AdapterUse, EngineLimits, RowOutput } from '../src/engine/protocol.js';
import { greedyRequest, randomPrompt } from './support/greedy-request.js';
import { choice, collectGarbage, flag, median, printTable, quantile } from './support/measure.js';
import { describeBandwidth, mergeBandwidth } from './support/merge-bandwidth.js';
import { quantizedSource } from './support/quantized-source.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SHAPE = shapeFlag();
const STEPS = flag('steps', 48);
const PROMPT = flag('prompt', 32);
const RANK = flag('rank', 8);
const ROWS = 16;
const BITS = ({ none: 32, int8: 8, int4: 4 } as const)[choice('quantize', ['none', 'int8', 'int4'], 'none')];
const BAR = 1.02;
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  prefillChunkTokens: ROWS * PROMPT,
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
  device: choice('device', ['cpu', 'webgpu'] as const, 'cpu'),
  gpuDtype: choice('dtype', GPU_DTYPE_CHOICES, 'auto'),
};

const folder = await temporaryFolder();
const plain = await writeRandomModel(join(folder, 'model'), SHAPE);
const source = BITS === 32 ? plain : await quantizedSource(plain, folder, BITS);
const { paths } = await writeRandomTree(join(folder, 'adapters'), plain.config, RANK);
const [path = []] = paths;
const memory = new EngineMemory(LIMITS);
const model = await loadModel(source, { ...LIMITS, packedFolder: join(folder, 'packed') }, memory);
while (await model.prepare?.()) continue;
const device = await memory.device.choose();
const never = new AbortController().signal;

process.stdout.write(
  `${describeShape(SHAPE)}\non ${device.kind}, ${BITS === 32 ? model.weightTypes.dtype : `int${BITS}`} base, adapters of rank ${RANK} on every linear but lm_head, ${PROMPT} prompt ` +
    `tokens, ${STEPS} rounds of steps\n\n`,
);
const before = memoryMiB();
const startMs = performance.now();
const merged = await model.merge(path, never);
const alone = (performance.now() - startMs) / 1000;
const after = memoryMiB();
const meanwhile = await mergeBeside(await decoding(model, [path], 4_000));
const portless = await model.merge([], never);
const ofPath = path.reduce((sum, { rank }) => sum + rank, 0);
const bandwidth = device.kind === 'webgpu' ? await mergeBandwidth(device.gpu, plain.config, ofPath) : null;
const one = await compare(1);
const many = await compare(ROWS);
printTable([
  ['1 row, to the base as it is served', describe(one, 'base')],
  ['1 row, to the base without ports', describe(one, 'portless')],
  ['1 row, to the path factored', describe(one, 'factored')],
  [`${ROWS} rows, to the base as it is served`, describe(many, 'base')],
  [`${ROWS} rows, to the base without ports`, describe(many, 'portless')],
  [`${ROWS} rows, to the path factored`, describe(many, 'factored')],
  ['from asked for to ready', `${alone.toFixed(2)} s, ${meanwhile.seconds.toFixed(2)} s beside a row that decodes`],
  [
    'steps of that row meanwhile',
    `median ${meanwhile.medianMs.toFixed(1)} ms (${meanwhile.aloneMs.toFixed(1)} ms without), longest ${meanwhile.longestMs.toFixed(0)} ms`,
  ],
  [
    'memory',
    `${(merged.bytes / 2 ** 20).toFixed(0)} MiB of weights; the process grew by ${(after - before).toFixed(0)} MiB`,
  ],
  ...(bandwidth === null ? [] : [['merging, of memory bandwidth', describeBandwidth(bandwidth)] as const]),
  [`bar: ≤ ${BAR}× of the base as it is served`, isMet(one) && isMet(many) ? 'met' : 'MISSED'],
]);
for (const lane of [merged, portless]) await lane.release();
await model.release();
await memory.device.release();

type Contestant = 'merged' | 'base' | 'portless' | 'factored';

/** Medians in ms, and ratios of each round. */
type Comparison = Record<Contestant, number[]>;

async function compare(rows: number): Promise<Comparison> {
  const on = (adapters: readonly AdapterUse[]) => Array<readonly AdapterUse[]>(rows).fill(adapters);
  const lanes: Record<Contestant, Lane> = {
    merged: await decoding(merged, on([])),
    base: await decoding(model, on([])),
    portless: await decoding(portless, on([])),
    factored: await decoding(model, on(path)),
  };
  const names = Object.keys(lanes) as Contestant[];
  const times: Comparison = { merged: [], base: [], portless: [], factored: [] };
  for (let round = 0; round < STEPS; round++) {
    // What runs first may find the machine in another state: take turns.
    for (let i = 0; i < names.length; i++) {
      const name = names[(round + i) % names.length] as Contestant;
      times[name].push(await timed(lanes[name]));
    }
  }
  return times;
}

function ratioTo(times: Comparison, other: Contestant): number {
  return median(times.merged) / median(times[other]);
}

function isMet(times: Comparison): boolean {
  return ratioTo(times, 'base') <= BAR;
}

function describe(times: Comparison, other: Contestant): string {
  const ratios = Float64Array.from(times.merged, (ms, round) => ms / (times[other][round] ?? NaN));
  return (
    `${ratioTo(times, other).toFixed(2)}× its time [${quantile(ratios, 0.1).toFixed(2)}–${quantile(ratios, 0.9).toFixed(2)}]: ` +
    `${median(times.merged).toFixed(1)} ms a step to ${median(times[other]).toFixed(1)}`
  );
}

/** Merges while a lane takes its steps, one after the other, as the engine's loop does. */
async function mergeBeside(
  lane: Lane,
): Promise<{ seconds: number; aloneMs: number; medianMs: number; longestMs: number }> {
  const aloneMs: number[] = [];
  for (let i = 0; i < STEPS; i++) aloneMs.push(await timed(lane));
  const beginMs = performance.now();
  const ready: { seconds?: number } = {};
  const merge = model.merge(path, never).then((made) => {
    ready.seconds = (performance.now() - beginMs) / 1000;
    return made.release();
  });
  const gapsMs: number[] = [];
  let lastMs = beginMs;
  while (ready.seconds === undefined) {
    tokensOf((await lane.step()).outputs);
    await new Promise((resolve) => setImmediate(resolve));
    gapsMs.push(performance.now() - lastMs);
    lastMs = performance.now();
  }
  await merge;
  return { seconds: ready.seconds, aloneMs: median(aloneMs), medianMs: median(gapsMs), longestMs: Math.max(...gapsMs) };
}

/** A lane whose rows have their prompts behind them, and at least `tokens` to go. */
async function decoding(
  laneModel: LaneModel,
  rows: readonly (readonly AdapterUse[])[],
  tokens = STEPS + 1,
): Promise<Lane> {
  const lane = new Lane(laneModel, LIMITS, { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 });
  const most = plain.config.maxPositions - PROMPT;
  for (const [i, adapters] of rows.entries()) {
    lane.submit(greedyRequest(source, adapters, randomPrompt(PROMPT, SHAPE.vocab, i), Math.min(tokens, most)));
  }
  const begun = new Set<string>();
  while (begun.size < rows.length) {
    for (const { id } of tokensOf((await lane.step()).outputs)) begun.add(id);
    await delay(0);
  }
  return lane;
}

async function timed(lane: Lane): Promise<number> {
  const beginMs = performance.now();
  const { outputs } = await lane.step();
  const ms = performance.now() - beginMs;
  tokensOf(outputs);
  return ms;
}

/** A row that failed would make its lane look fast. */
function tokensOf(outputs: RowOutput[]): RowOutput[] {
  for (const output of outputs) {
    if (output.token === undefined) throw new Error(`A row gave no token: ${output.error?.message ?? 'it ended'}`);
  }
  return outputs;
}

function memoryMiB(): number {
  collectGarbage();
  return process.memoryUsage.rss() / 2 ** 20;
}
