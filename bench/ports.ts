/**
 * What the LoRA ports cost: a fit of the constants that their planner counts with (src/engine/port-costs.ts).
 *
 * Batches of different sizes and ranks take their steps in turn with as many rows on the bare base, all nodes in one port.
 * What a step takes longer in quiet moments (the fastest quarter) is fitted by layer · layers + read · floats + multiply ·
 * floats · rows, floats being the elements of A and B that are fed. One new token a row can't tell reading from
 * multiplying in private slots: there, the shared port's `multiply` is taken.
 *
 * Flags: --shape=111m|135m|wide|tiny, --steps=24, --threads=0, --clock=wall|processor.
 */
import { join } from 'node:path';
import { PORT_COSTS } from '../src/engine/port-costs.js';
import { planPrivate, planShared, type PortPlanner } from '../src/engine/port-plan.js';
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { linearModules } from '../src/formats/checkpoint/modules.js';
import { decodingLane, timedStep } from './support/decoding-lane.js';
import { leastSquares } from './support/least-squares.js';
import { flag, printTable, quantile } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag();
const STEPS = flag('steps', 24);
const RANK = 8;
const LIMITS: EngineLimits = {
  maxRows: 16,
  maxWaiting: 16,
  prefillChunkTokens: 512,
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
};

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE);
const { paths } = await writeRandomTree(join(folder, 'adapters'), source.config, RANK);
const model = await wholeModel(source, LIMITS, folder);
const { layers } = source.config;
/** Floats of one rank row over the whole model. */
const width = linearModules(source.config)
  .filter(({ projection }) => projection !== 'lm_head')
  .reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures, 0);

/** What each step takes longer than on the base, in nanoseconds, beside what it is fitted by. */
const shared: { terms: number[]; ns: number }[] = [];
const slots: { terms: number[]; ns: number }[] = [];
process.stdout.write(`${describeShape(SHAPE)}\nrank ${RANK}, ${STEPS} rounds of steps\n\n`);
for (const rows of [1, 4, 16]) {
  // Leaves alone, and whole paths.
  for (const skipped of [2, 0]) {
    const uses = paths.slice(0, rows).map((path) => path.slice(skipped));
    const ranks = RANK * new Set(uses.flat().map(({ digest }) => digest)).size;
    const ownRanks = RANK * (uses[0]?.length ?? 0);
    const { baseMs, sharedMs, slotsMs } = await measure(uses);
    shared.push({ terms: [layers, ranks * width, ranks * width * rows], ns: (sharedMs - baseMs) * 1e6 });
    slots.push({ terms: [layers, rows * ownRanks * width], ns: (slotsMs - baseMs) * 1e6 });
    const [more, own] = [sharedMs - baseMs, slotsMs - baseMs].map((ms) => ms.toFixed(1));
    printTable([
      [
        `${rows} rows, R = ${ranks} or P = ${ownRanks}`.padEnd(28),
        `base ${baseMs.toFixed(1)} ms, shared +${more} ms, private +${own} ms`,
      ],
    ]);
  }
}
const [layer = NaN, read = NaN, multiply = NaN] = fit(shared);
const [slotLayer = NaN, slotRead = NaN] = fit(slots);
process.stdout.write('\n');
printTable([
  ['shared, measured', show({ layer, read, multiply })],
  ['shared, in use', show(PORT_COSTS.shared)],
  ['private, measured', show({ layer: slotLayer - layer, read: Math.max(0, slotRead - multiply), multiply })],
  ['private, in use', show(PORT_COSTS.slot)],
]);
await model.release();

async function measure(
  rows: readonly (readonly AdapterUse[])[],
): Promise<{ baseMs: number; sharedMs: number; slotsMs: number }> {
  const add = async (paths: readonly (readonly AdapterUse[])[], planner: PortPlanner) => {
    model.ports.planner = planner;
    const options = { source, limits: LIMITS, prompt: 8, vocab: SHAPE.vocab, steps: STEPS };
    return { planner, lane: await decodingLane(model, paths, options), ms: new Float64Array(STEPS) };
  };
  const bare = rows.map(() => []);
  const lanes = [await add(bare, planShared), await add(rows, planShared), await add(rows, planPrivate)];
  for (let i = 0; i < STEPS; i++) {
    for (const { planner, lane, ms } of lanes) {
      model.ports.planner = planner;
      ms[i] = await timedStep(lane);
    }
  }
  // The first step writes the slots.
  const [baseMs = NaN, sharedMs = NaN, slotsMs = NaN] = lanes.map(({ ms }) => quantile(ms.subarray(1), 0.25));
  return { baseMs, sharedMs, slotsMs };
}

function fit(points: readonly { terms: number[]; ns: number }[]): number[] {
  return leastSquares(
    points.map(({ terms }) => terms),
    points.map(({ ns }) => ns),
  );
}

function show(cost: { layer: number; read: number; multiply: number }): string {
  return `a layer ${cost.layer.toFixed(0)} ns, reading ${cost.read.toFixed(3)} and multiplying ${cost.multiply.toFixed(3)} ns a float`;
}
