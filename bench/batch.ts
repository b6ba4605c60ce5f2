/**
 * What adapters cost a decoding batch: rows on paths of a tree against as many rows on the bare base, in one loaded model,
 * and what the planner of the LoRA ports chose against either port alone.
 *
 * Lanes (schedule → run → sample, as the engine has them) share the model, and take their steps in turn, so that what else
 * goes on in the machine meets all alike. A ratio is that of the median steps, of tokens per second; in brackets, what a
 * tenth and nine tenths of the rounds lie under. `ports off` is the same model loaded without LoRA ports.
 *
 * Bars: one row keeps 0.88× of the base, 16 rows on 16 different paths of depth three (1 + 4 + 16 nodes) 0.75× (0.9× with
 * --shape=wide), and the planner's choice 0.95× of the better port alone.
 *
 * Flags: --shape=111m|135m|wide|tiny, --steps=32, --prompt=32, --rank=8, --threads=0, --off=1 (0: no model without ports).
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KvCache } from '../src/engine/kv-cache.js';
import { Lane, type LaneModel } from '../src/engine/lane.js';
import { EngineMemory, LoadedModel } from '../src/engine/loaded-model.js';
import { NO_ADAPTERS } from '../src/engine/no-adapters.js';
import { Session } from '../src/engine/ort.js';
import { PORT_COSTS } from '../src/engine/port-costs.js';
import { planByCost, planPrivate, planShared, type PortPlan, type PortPlanner } from '../src/engine/port-plan.js';
import type { AdapterUse, EngineLimits, RowOutput } from '../src/engine/protocol.js';
import { Runner } from '../src/engine/runner.js';
import { readCheckpoint } from '../src/formats/checkpoint/read-checkpoint.js';
import { encodeDecoderGraph } from '../src/graph/decoder-graph.js';
import { greedyRequest, randomPrompt } from './support/greedy-request.js';
import { flag, median, printTable, quantile } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SHAPE = shapeFlag();
const STEPS = flag('steps', 32);
const PROMPT = flag('prompt', 32);
const RANK = flag('rank', 8);
const ROWS = 16;
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
const portless = flag('off', 1) === 0 ? null : await withoutPorts();
const [path = []] = paths;
/** What the planner last chose. */
let chosen: PortPlan = new Set();
const byCost = planByCost(PORT_COSTS);
const FORMS: Readonly<Record<string, PortPlanner>> = {
  planned: (batch) => (chosen = byCost(batch)),
  shared: planShared,
  private: planPrivate,
};

process.stdout.write(
  `${describeShape(SHAPE)}\nfloat32 base and adapters, rank ${RANK} on every linear but lm_head, ${PROMPT} prompt ` +
    `tokens, ${STEPS} rounds of steps, threads ${LIMITS.threads || 'as the runtime chooses'}\n`,
);
const different = await compare(`${ROWS} rows, ${ROWS} paths of depth 3`, paths);
await compare(`${ROWS} rows, one path of depth 3`, Array<readonly AdapterUse[]>(ROWS).fill(path));
const single = await compare('1 row of depth 3', [path]);
process.stdout.write('\n');
const bar = SHAPE.name === 'wide' ? 0.9 : 0.75;
printTable([
  [`bar: 1 row ≥ 0.88×`, verdict(single, 0.88)],
  [`bar: ${ROWS} rows on ${ROWS} paths ≥ ${bar}×`, verdict(different, bar)],
]);
await model.release();
await portless?.release();

/** One row for each path in each form, and as many rows on the base. Returns the planner's share of the base's rate. */
async function compare(title: string, rows: readonly (readonly AdapterUse[])[]): Promise<number> {
  const bare = rows.map(() => []);
  const lanes: { name: string; step: () => Promise<number>; ms: number[] }[] = [];
  const add = async (name: string, on: LaneModel, paths: readonly (readonly AdapterUse[])[], planner?: PortPlanner) => {
    if (planner !== undefined) model.ports.planner = planner;
    const lane = await decoding(on, paths);
    const step = () => {
      if (planner !== undefined) model.ports.planner = planner;
      return timed(lane);
    };
    lanes.push({ name, step, ms: [] });
  };
  if (portless !== null) await add('ports off', portless.model, bare);
  await add('base', model, bare, planShared);
  for (const [name, planner] of Object.entries(FORMS)) await add(name, model, rows, planner);
  for (let i = 0; i < STEPS; i++) {
    // What runs first may find the machine in another state: take turns.
    for (const j of lanes.keys()) {
      const lane = lanes[(i + j) % lanes.length];
      lane?.ms.push(await lane.step());
    }
  }
  const nodes = new Set(rows.flat().map(({ digest }) => digest));
  process.stdout.write(`\n${title}: the planner has ${chosen.size} of ${nodes.size} nodes in private slots\n`);
  const base = lanes.find(({ name }) => name === 'base')?.ms ?? [];
  printTable(lanes.map(({ name, ms }) => [`  ${name}`, describe(ms, base, rows.length)]));
  const medianOf = (wanted: string): number => median(lanes.find(({ name }) => name === wanted)?.ms ?? []);
  const better = Math.min(medianOf('shared'), medianOf('private'));
  process.stdout.write(`  planned, against the better port alone: ${(better / medianOf('planned')).toFixed(2)}×\n`);
  return medianOf('base') / medianOf('planned');
}

/** A lane whose rows have their prompts behind them. Each has exactly `STEPS` tokens to go. */
async function decoding(on: LaneModel, rows: readonly (readonly AdapterUse[])[]): Promise<Lane> {
  // Else rows whose adapters come from disk first would begin before the others.
  for (const use of rows.flat()) {
    on.bank.prefetch(use);
    while (on.bank.state(use.digest) === 'loading') await delay(1);
  }
  const lane = new Lane(on, LIMITS, { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 });
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

async function withoutPorts(): Promise<{ model: LaneModel; release: () => Promise<void> }> {
  const { config, tensors } = await readCheckpoint(source.folder);
  const graph = encodeDecoderGraph(config, tensors, { lora: 'none' });
  const session = await Session.load({ graph, folder: source.folder }, { threads: LIMITS.threads });
  const { kv: budget, prefixes } = new EngineMemory(LIMITS);
  const kv = new KvCache(config, config.maxPositions, budget, ROWS, prefixes);
  const runner = new Runner(config, session, kv, NO_ADAPTERS);
  return {
    model: { config, kv, bank: NO_ADAPTERS, run: (rows) => runner.run(rows) },
    release: () => session.release(),
  };
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

function describe(ms: readonly number[], base: readonly number[], rows: number): string {
  const ratios = Float64Array.from(ms, (each, i) => (base[i] ?? NaN) / each);
  const ratio = median(base) / median(ms);
  const range = `[${quantile(ratios, 0.1).toFixed(2)}–${quantile(ratios, 0.9).toFixed(2)}]`;
  const fastest = (samples: readonly number[]) => quantile(Float64Array.from(samples), 0.1);
  const fast = (fastest(base) / fastest(ms)).toFixed(2);
  const rate = ((rows * 1000) / median(ms)).toFixed(1);
  return `${ratio.toFixed(2)}× ${range}, fastest tenth ${fast}×: ${rate} tokens/s (${median(ms).toFixed(1)} ms a step)`;
}

function verdict(ratio: number, bar: number): string {
  return `${ratio.toFixed(2)}×, ${ratio >= bar ? 'met' : 'MISSED'}`;
}
