/**
 * What attention takes of a decoding step on the CPU, against reading the bytes of its K and V once.
 *
 * Two sessions over the same tensors take turns: the operators that a decoder's layers have between their projections,
 * several layers of them so that no processor's cache holds the KV; and the fastest reading that the runtime was found to
 * do, one matrix-vector product over each tensor. Bar: 2.5 times the reading, at 16 rows × 1,000 positions.
 *
 * Flags: --shape=111m|135m|wide|tiny, --rows=16, --positions=1000, --layers=6, --repeats=60, --threads=0.
 */
import { pastK, pastV } from '../src/graph/ports.js';
import { ATTENTION_BIAS, INPUT_IDS, POSITION_IDS } from '../src/graph/ports.js';
import { attend } from '../src/graph/attend.js';
import { Decoder, type RunParts } from '../src/graph/decoder.js';
import { GraphBuilder, type Value } from '../src/graph/graph-builder.js';
import { Add, MatMul, Reshape } from '../src/graph/ops.js';
import { float32, type InputTensor, int64, Session } from '../src/engine/ort.js';
import { DataType, encodeModel } from '../src/formats/onnx/model.js';
import type { ModelConfig } from '../src/formats/checkpoint/model-config.js';
import { join } from 'node:path';
import { flag, median, printTable, quantile } from './support/measure.js';
import { RandomNumbers } from './support/random-numbers.js';
import { writeRandomModel } from './support/random-model.js';
import { SHAPES, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SHAPE = shapeFlag();
const ROWS = flag('rows', 16);
const POSITIONS = flag('positions', 1000);
const LAYERS = flag('layers', 6);
const REPEATS = flag('repeats', 60);
const THREADS = flag('threads', 0);
const BAR = 2.5;
const OUT = 'out';

const folder = await temporaryFolder();
// Only its config counts: the smallest weights do.
const { config: tiny } = await writeRandomModel(join(folder, 'model'), SHAPES.tiny);
const { heads, kvHeads, headDim } = SHAPE;
const config: ModelConfig = { ...tiny, heads, kvHeads, headDim, layers: LAYERS };

const random = new RandomNumbers(1);
const tensor = (...dims: number[]): InputTensor =>
  float32(
    random.fill(
      dims.reduce((product, size) => product * size, 1),
      1,
    ),
    dims,
  );
const feeds: Record<string, InputTensor> = {
  [INPUT_IDS]: int64(new BigInt64Array(ROWS), [ROWS, 1]),
  [POSITION_IDS]: int64(new BigInt64Array(ROWS).fill(BigInt(POSITIONS)), [ROWS, 1]),
  [ATTENTION_BIAS]: float32(new Float32Array(ROWS * (POSITIONS + 1)), [ROWS, 1, 1, POSITIONS + 1]),
  q: tensor(ROWS, heads, 1, headDim),
  k: tensor(ROWS, kvHeads, 1, headDim),
  v: tensor(ROWS, kvHeads, 1, headDim),
  probe: tensor(ROWS, kvHeads, 1, headDim),
};
for (let layer = 0; layer < LAYERS; layer++) {
  feeds[pastK(layer)] = tensor(ROWS, kvHeads, headDim, POSITIONS);
  feeds[pastV(layer)] = tensor(ROWS, kvHeads, POSITIONS, headDim);
}

const attention = await Session.load({ graph: attentionGraph(), folder }, { threads: THREADS });
const reading = await Session.load({ graph: readingGraph(), folder }, { threads: THREADS });
const attentionMs: number[] = [];
const readingMs: number[] = [];
for (let i = -5; i < REPEATS; i++) {
  const [one, other] = [await timed(attention), await timed(reading)];
  if (i < 0) continue;
  attentionMs.push(one / LAYERS);
  readingMs.push(other / LAYERS);
}
await attention.release();
await reading.release();

const bytes = 2 * ROWS * kvHeads * POSITIONS * headDim * Float32Array.BYTES_PER_ELEMENT;
const ratios = Float64Array.from(attentionMs, (ms, i) => ms / (readingMs[i] ?? NaN));
const ratio = median([...ratios]);
process.stdout.write(
  `${ROWS} rows × ${POSITIONS} positions, ${heads}/${kvHeads} heads of ${headDim}: ${(bytes / 2 ** 20).toFixed(1)} MiB of KV ` +
    `a layer, ${LAYERS} layers, median of ${REPEATS}\n\n`,
);
printTable([
  ['attention, a layer', `${median(attentionMs).toFixed(2)} ms`],
  [
    'reading its K and V once',
    `${median(readingMs).toFixed(2)} ms, ${(bytes / median(readingMs) / 1e6).toFixed(1)} GB/s`,
  ],
  [
    'ratio of the pairs',
    `${ratio.toFixed(2)}× [${quantile(ratios, 0.1).toFixed(2)}–${quantile(ratios, 0.9).toFixed(2)}]`,
  ],
  [`bar: ≤ ${BAR}×`, ratio <= BAR ? 'met' : 'MISSED'],
]);

async function timed(session: Session): Promise<number> {
  const fed = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)));
  const startMs = performance.now();
  await session.run(fed, [OUT]);
  return performance.now() - startMs;
}

/** Each layer's sum over its own K and V, added up. */
function attentionGraph(): Uint8Array {
  const d = new Decoder(config, new Map());
  const g = d.graph;
  const projected = {
    q: g.input('q', DataType.float32, ['B', heads, 'T', headDim]),
    k: g.input('k', DataType.float32, ['B', kvHeads, 'T', headDim]),
    v: g.input('v', DataType.float32, ['B', kvHeads, 'T', headDim]),
  };
  // A cache that is fed has one part at least.
  const { first } = d.parts as RunParts;
  const sums = Array.from({ length: LAYERS }, (_, layer) => attend(d, layer, first, projected).sum);
  g.output(OUT, total(g, sums), DataType.float32, ['N', heads * headDim]);
  return encodeModel(g.build('attention'));
}

/** Each tensor as a matrix of as many rows as the probe has columns. */
function readingGraph(): Uint8Array {
  const g = new GraphBuilder();
  const probe = g.input('probe', DataType.float32, ['B', kvHeads, 1, headDim]);
  const matrix = g.int64s(0, 0, headDim, -1);
  const products = Array.from({ length: LAYERS }, (_, layer) =>
    [
      g.input(pastK(layer), DataType.float32, ['B', kvHeads, headDim, 'S']),
      g.input(pastV(layer), DataType.float32, ['B', kvHeads, 'S', headDim]),
    ].map((past) => MatMul(g, probe, Reshape(g, past, matrix))),
  ).flat();
  g.output(OUT, total(g, products), DataType.float32, ['B', kvHeads, 1, 'S']);
  return encodeModel(g.build('reading'));
}

function total(g: GraphBuilder, values: readonly Value[]): Value {
  return values.reduce((sum, value) => Add(g, sum, value));
}
