/**
 * Rows of two lengths that decode together: the groups that their KV capacities make, in one run, which reads the weights
 * once, against a run for each. On the bare base, on one path, and on as many paths as rows, where one run has all nodes in
 * the shared LoRA ports.
 *
 * Two lanes over one loaded model take steps in turn; of one, the model says that it can't compute two groups at once. A
 * ratio is that of the median steps, of tokens per second; in brackets, what a tenth and nine tenths of the rounds lie under.
 *
 * Flags: --shape=111m|135m|wide|tiny, --rows=16 (half of them long), --short=40, --long=300, --steps=24, --rank=8,
 * --threads=0, --clock=wall|processor.
 */
import { join } from 'node:path';
import type { LaneModel } from '../src/engine/lane.js';
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { decodingLane, timedStep } from './support/decoding-lane.js';
import { flag, median, printTable, quantile } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag();
const ROWS = flag('rows', 16);
const [SHORT, LONG] = [flag('short', 40), flag('long', 300)];
const STEPS = flag('steps', 24);
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  // All begin in one step.
  prefillChunkTokens: ROWS * Math.max(SHORT, LONG),
  kvBudgetBytes: 2 ** 31,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
};

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE, 2048);
const { paths } = await writeRandomTree(join(folder, 'adapters'), source.config, flag('rank', 8));
const model = await wholeModel(source, LIMITS, folder);
const oneByOne: LaneModel = {
  config: model.config,
  kv: model.kv,
  bank: model.bank,
  run: (rows) => model.run(rows),
};
process.stdout.write(
  `${describeShape(SHAPE)}\n${ROWS} rows decode, half behind prompts of ${SHORT} tokens, half behind ${LONG}; ${STEPS} rounds\n\n`,
);
const rows = (pathOf: (row: number) => readonly AdapterUse[]) => Array.from({ length: ROWS }, (_, i) => pathOf(i));
printTable([
  ['bare base', await compare(rows(() => []))],
  ['one path', await compare(rows(() => paths[0] ?? []))],
  [`${paths.length} paths`, await compare(rows((i) => paths[i % paths.length] ?? []))],
]);
await model.release();

async function compare(adapters: readonly (readonly AdapterUse[])[]): Promise<string> {
  const options = {
    source,
    limits: LIMITS,
    prompt: (row: number) => (row % 2 === 0 ? SHORT : LONG),
    vocab: SHAPE.vocab,
    // One more than are measured, so that none has ended.
    steps: STEPS + 1,
  };
  const lanes = [await decodingLane(model, adapters, options), await decodingLane(oneByOne, adapters, options)];
  const ms: [number[], number[]] = [[], []];
  for (let i = 0; i < STEPS; i++) {
    for (const j of [i % 2, (i + 1) % 2] as (0 | 1)[]) {
      const lane = lanes[j];
      if (lane !== undefined) ms[j].push(await timedStep(lane));
    }
  }
  for (const lane of lanes) {
    if (lane.running.length !== ROWS)
      throw new Error(`${lane.running.length} of ${ROWS} rows were measured to the end.`);
    for (const { id } of lane.running) lane.cancel(id);
    await lane.step();
  }
  const [together, apart] = ms;
  const ratios = Float64Array.from(apart, (each, i) => each / (together[i] ?? NaN));
  return (
    `${median(together).toFixed(1)} ms a step in one run, ${median(apart).toFixed(1)} ms in two: ` +
    `${(median(apart) / median(together)).toFixed(2)}× [${quantile(ratios, 0.1).toFixed(2)}–${quantile(ratios, 0.9).toFixed(2)}]`
  );
}
