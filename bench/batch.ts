/**
 * What adapters cost a decoding batch: rows on paths of a tree against as many rows on the bare base, in one loaded model,
 * and what the planner of the LoRA ports chose against either port alone.
 *
 * Lanes (schedule → run → sample, as the engine has them) share the model, and take their steps in turn, so that what else
 * goes on in the machine meets all alike. A ratio is that of the median steps, of tokens per second; in brackets, what a
 * tenth and nine tenths of the rounds lie under. Rows on the base run in the form of the graph that has no LoRA ports.
 *
 * Bars: one row keeps 0.88× of the base, 16 rows on 16 different paths of depth three (1 + 4 + 16 nodes) 0.75× (0.9× with
 * --shape=wide), and the planner's choice 0.95× of the better port alone. Over an int8 base, one row 0.7×, and with
 * --shape=wide 16 rows 0.88×.
 *
 * Flags: --shape=111m|135m|wide|tiny, --quantize=none|int8|int4, --steps=32, --prompt=32, --rank=8, --threads=0,
 * --clock=wall|processor.
 */
import { join } from 'node:path';
import { PORT_COSTS } from '../src/engine/port-costs.js';
import { planByCost, planPrivate, planShared, type PortPlan, type PortPlanner } from '../src/engine/port-plan.js';
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { decodingLane, timedStep } from './support/decoding-lane.js';
import { choice, flag, median, printTable, quantile } from './support/measure.js';
import { quantizedSource } from './support/quantized-source.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { type Contestant, ratioRange, takeTurns } from './support/turns.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag();
const STEPS = flag('steps', 32);
const PROMPT = flag('prompt', 32);
const RANK = flag('rank', 8);
const ROWS = 16;
const QUANTIZE = choice('quantize', ['none', 'int8', 'int4'], 'none');
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
const plain = await writeRandomModel(join(folder, 'model'), SHAPE);
const source = QUANTIZE === 'none' ? plain : await quantizedSource(plain, folder, QUANTIZE === 'int8' ? 8 : 4);
const { paths } = await writeRandomTree(join(folder, 'adapters'), plain.config, RANK);
const model = await wholeModel(source, LIMITS, folder);
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
  `${describeShape(SHAPE)}\n${QUANTIZE === 'none' ? 'float32' : QUANTIZE} base, float32 adapters, rank ${RANK} on every linear but lm_head, ${PROMPT} prompt ` +
    `tokens, ${STEPS} rounds of steps, threads ${LIMITS.threads || 'as the runtime chooses'}\n`,
);
const different = await compare(`${ROWS} rows, ${ROWS} paths of depth 3`, paths);
await compare(`${ROWS} rows, one path of depth 3`, Array<readonly AdapterUse[]>(ROWS).fill(path));
const single = await compare('1 row of depth 3', [path]);
process.stdout.write('\n');
const bars = {
  none: { one: 0.88, many: SHAPE.name === 'wide' ? 0.9 : 0.75 },
  int8: { one: 0.7, many: SHAPE.name === 'wide' ? 0.88 : null },
  int4: { one: null, many: null },
}[QUANTIZE];
printTable([
  [`1 row`, verdict(single, bars.one)],
  [`${ROWS} rows on ${ROWS} paths`, verdict(different, bars.many)],
]);
await model.release();

/** One row for each path in each form, and as many rows on the base. Returns the planner's share of the base's rate. */
async function compare(title: string, rows: readonly (readonly AdapterUse[])[]): Promise<number> {
  const bare = rows.map(() => []);
  const lanes: (Contestant & { name: string })[] = [];
  const add = async (name: string, paths: readonly (readonly AdapterUse[])[], planner: PortPlanner) => {
    model.ports.planner = planner;
    const lane = await decodingLane(model, paths, {
      source,
      limits: LIMITS,
      prompt: PROMPT,
      vocab: SHAPE.vocab,
      steps: STEPS,
    });
    const step = () => {
      model.ports.planner = planner;
      return timedStep(lane);
    };
    lanes.push({ name, step, ms: [] });
  };
  await add('base', bare, planShared);
  for (const [name, planner] of Object.entries(FORMS)) await add(name, rows, planner);
  await takeTurns(lanes, STEPS);
  const nodes = new Set(rows.flat().map(({ digest }) => digest));
  process.stdout.write(`\n${title}: the planner has ${chosen.size} of ${nodes.size} nodes in private slots\n`);
  const base = lanes.find(({ name }) => name === 'base')?.ms ?? [];
  printTable(lanes.map(({ name, ms }) => [`  ${name}`, describe(ms, base, rows.length)]));
  const medianOf = (wanted: string): number => median(lanes.find(({ name }) => name === wanted)?.ms ?? []);
  const better = Math.min(medianOf('shared'), medianOf('private'));
  process.stdout.write(`  planned, against the better port alone: ${(better / medianOf('planned')).toFixed(2)}×\n`);
  return medianOf('base') / medianOf('planned');
}

function describe(ms: readonly number[], base: readonly number[], rows: number): string {
  const ratio = median(base) / median(ms);
  const fastest = (samples: readonly number[]) => quantile(Float64Array.from(samples), 0.1);
  const fast = (fastest(base) / fastest(ms)).toFixed(2);
  const rate = ((rows * 1000) / median(ms)).toFixed(1);
  return `${ratio.toFixed(2)}× ${ratioRange(ms, base)}, fastest tenth ${fast}×: ${rate} tokens/s (${median(ms).toFixed(1)} ms a step)`;
}

/** `bar`: null where none is set. */
function verdict(ratio: number, bar: number | null): string {
  return `${ratio.toFixed(2)}×${bar === null ? '' : `, bar ${bar}× ${ratio >= bar ? 'met' : 'MISSED'}`}`;
}
