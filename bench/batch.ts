/**
 * What adapters cost a decoding batch: rows on paths of a tree against as many rows on the bare base, in one loaded model.
 *
 * Two lanes (schedule → run → sample, as the engine has them) share the model, and take their steps in turn, so that what
 * else goes on in the machine meets both alike. A ratio is that of the median steps; in brackets, what a tenth and nine
 * tenths of the pairs lie under. Bar: 16 rows on 16
 * different paths of depth three (1 + 4 + 16 nodes) keep at least half of the base's tokens per second.
 *
 * Flags: --shape=111m|135m|wide|tiny, --steps=48, --prompt=32, --rank=8, --threads=0.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Lane } from '../src/engine/lane.js';
import { LoadedModel } from '../src/engine/loaded-model.js';
import type { AdapterUse, EngineLimits, RowOutput } from '../src/engine/protocol.js';
import { greedyRequest, randomPrompt } from './support/greedy-request.js';
import { flag, median, printTable, quantile } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SHAPE = shapeFlag();
const STEPS = flag('steps', 48);
const PROMPT = flag('prompt', 32);
const RANK = flag('rank', 8);
const ROWS = 16;
const BAR = 0.5;
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  prefillChunkTokens: ROWS * PROMPT,
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
};

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE);
const { paths } = await writeRandomTree(join(folder, 'adapters'), source.config, RANK);
const model = await LoadedModel.load(source, LIMITS);
const [path = []] = paths;

process.stdout.write(
  `${describeShape(SHAPE)}\nfloat32 base and adapters, rank ${RANK} on every linear but lm_head, ${PROMPT} prompt ` +
    `tokens, ${STEPS} pairs of steps\n\n`,
);
const mixed = await compare(paths);
printTable([
  [`${ROWS} rows, ${ROWS} paths of depth 3 (R = ${21 * RANK})`, describe(mixed, ROWS)],
  [`${ROWS} rows, one path of depth 3 (R = ${3 * RANK})`, describe(await compare(Array(ROWS).fill(path)), ROWS)],
  [`1 row of depth 3 (R = ${3 * RANK})`, describe(await compare([path]), 1)],
  [`bar: ${ROWS} rows on ${ROWS} paths ≥ ${BAR}×`, mixed.ratio >= BAR ? 'met' : 'MISSED'],
]);
await model.release();

interface Comparison {
  /** Of tokens per second: paths to base. */
  ratio: number;
  low: number;
  high: number;
  pathsMs: number;
  baseMs: number;
}

/** One row for each path, against as many rows on the base. */
async function compare(rows: readonly (readonly AdapterUse[])[]): Promise<Comparison> {
  const adapted = await decoding(rows);
  const bare = await decoding(rows.map(() => []));
  const pairs: { pathsMs: number; baseMs: number }[] = [];
  for (let i = 0; i < STEPS; i++) {
    // What runs first may find the machine in another state: take turns.
    const first = i % 2 === 0 ? await timed(adapted) : 0;
    const baseMs = await timed(bare);
    pairs.push({ pathsMs: i % 2 === 0 ? first : await timed(adapted), baseMs });
  }
  const ratios = Float64Array.from(pairs, ({ pathsMs, baseMs }) => baseMs / pathsMs);
  const pathsMs = median(pairs.map((pair) => pair.pathsMs));
  const baseMs = median(pairs.map((pair) => pair.baseMs));
  return { ratio: baseMs / pathsMs, low: quantile(ratios, 0.1), high: quantile(ratios, 0.9), pathsMs, baseMs };
}

/** A lane whose rows have their prompts behind them. Each has exactly `STEPS` tokens to go. */
async function decoding(rows: readonly (readonly AdapterUse[])[]): Promise<Lane> {
  // Else rows whose adapters come from disk first would begin before the others.
  for (const use of rows.flat()) {
    model.bank.prefetch(use);
    while (model.bank.state(use.digest) === 'loading') await delay(1);
  }
  const lane = new Lane(model, LIMITS, { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 });
  for (const [i, adapters] of rows.entries()) {
    lane.submit(greedyRequest(source, adapters, randomPrompt(PROMPT, SHAPE.vocab, i), STEPS + 1));
  }
  const begun = new Set<string>();
  while (begun.size < rows.length) {
    const { outputs } = await lane.step();
    for (const output of outputs) begun.add(tokenOf(output).id);
  }
  return lane;
}

async function timed(lane: Lane): Promise<number> {
  const startMs = performance.now();
  const { outputs } = await lane.step();
  const ms = performance.now() - startMs;
  for (const output of outputs) tokenOf(output);
  return ms;
}

/** A row that failed would make its lane look fast. */
function tokenOf(output: RowOutput): RowOutput {
  if (output.token === undefined) throw new Error(`A row gave no token: ${output.error?.message ?? 'it ended'}`);
  return output;
}

function describe({ ratio, low, high, pathsMs, baseMs }: Comparison, rows: number): string {
  const rate = (ms: number): string => `${((rows * 1000) / ms).toFixed(1)} tokens/s (${ms.toFixed(1)} ms a step)`;
  return `${ratio.toFixed(2)}× of the base [${low.toFixed(2)}–${high.toFixed(2)}]: ${rate(pathsMs)} to ${rate(baseMs)}`;
}
