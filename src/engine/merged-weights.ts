/**
 * The weights of a merged lane: W + Σ w·s·B·A for every module that the path's adapters touch, everything else as the
 * checkpoint has it. A tied lm_head that is touched gets a tensor of its own: the embedding never changes.
 *
 * What is touched is float32, whatever the checkpoint stores. The work is done in pieces of a few milliseconds, between
 * which the event loop has its turn.
 */
import { MergeUnsupportedError } from '../errors.js';
import { EMBEDDING, LM_HEAD } from '../formats/checkpoint/expected-tensors.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules, type LinearModule } from '../formats/checkpoint/modules.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { TensorReader } from '../formats/checkpoint/tensor-reader.js';
import { isWeightDtype } from '../formats/safetensors/dtype.js';
import { BASE_WEIGHT, encodeMergeGraph, MERGE_A, MERGE_B, MERGED_WEIGHT } from '../graph/merge-graph.js';
import { concatenateFolded } from '../lowrank/concatenate-folded.js';
import type { FoldedDelta } from '../lowrank/delta.js';
import type { FoldedAdapter } from './folded-adapter.js';
import { type FileInMemory, float32, Session } from './ort.js';
import { type PlannedTensor, TensorMemory } from './tensor-memory.js';

/** Numbers of a weight that are merged before the next turn of the event loop: 2 MB, about a millisecond. */
const BLOCK_ELEMENTS = 512 * 1024;
/** What of an untouched tensor is read at once. */
const BLOCK_BYTES = 4 * 1024 * 1024;

export interface WeightFolder {
  folder: string;
  config: ModelConfig;
  tensors: ReadonlyMap<string, TensorLocation>;
}

export interface WeightedAdapter {
  adapter: FoldedAdapter;
  /** w, the request's weight for the node. */
  weight: number;
}

export interface MergedWeights {
  /** The checkpoint's, without tied embeddings where lm_head has become a tensor of its own. */
  config: ModelConfig;
  tensors: ReadonlyMap<string, TensorLocation>;
  /** What `tensors` lie in. */
  files: readonly FileInMemory[];
}

export async function mergeWeights(
  checkpoint: WeightFolder,
  path: readonly WeightedAdapter[],
  { threads, signal }: { threads: number; signal: AbortSignal },
): Promise<MergedWeights> {
  const { config, tensors } = checkpoint;
  const touched = new Map(
    linearModules(config)
      .filter(({ name }) => path.some(({ adapter }) => adapter.deltas.has(name)))
      .map((module) => [`${module.name}.weight`, module]),
  );
  const memory = new TensorMemory(plan(tensors, touched));
  const product = await Session.load({ graph: encodeMergeGraph(), files: [] }, { threads });
  const reader = new TensorReader(checkpoint.folder);
  try {
    for (const [name, tensor] of tensors) {
      signal.throwIfAborted();
      if (!touched.has(name)) await readWhole(reader, tensor, memory.bytes(name), signal);
    }
    for (const [name, module] of touched) {
      const base = baseWeight(tensors, name);
      const delta = concatenateFolded(
        path.flatMap(({ adapter, weight }) => {
          const part = adapter.deltas.get(module.name);
          return part === undefined ? [] : [{ delta: part, weight }];
        }),
      );
      await mergeInto(memory.floats(name), { reader, base, delta, product, signal });
    }
  } finally {
    await reader.close();
    await product.release();
  }
  const tiedEmbeddings = config.tiedEmbeddings && !touched.has(LM_HEAD);
  return { config: { ...config, tiedEmbeddings }, tensors: memory.locations, files: memory.files };
}

function plan(
  tensors: ReadonlyMap<string, TensorLocation>,
  touched: ReadonlyMap<string, LinearModule>,
): PlannedTensor[] {
  const merged = [...touched].map(([name, { outFeatures, inFeatures }]): PlannedTensor => {
    const bytes = outFeatures * inFeatures * Float32Array.BYTES_PER_ELEMENT;
    return { name, dtype: 'F32', shape: [outFeatures, inFeatures], bytes };
  });
  const untouched = [...tensors]
    .filter(([name]) => !touched.has(name))
    .map(([name, { dtype, shape, begin, end }]): PlannedTensor => ({ name, dtype, shape, bytes: end - begin }));
  return [...untouched, ...merged];
}

/** The tensor that a module's weight starts from: a tied lm_head from the embedding. */
function baseWeight(tensors: ReadonlyMap<string, TensorLocation>, name: string): TensorLocation {
  const tensor = tensors.get(name) ?? (name === LM_HEAD ? tensors.get(EMBEDDING) : undefined);
  if (tensor === undefined || !isWeightDtype(tensor.dtype)) {
    throw new MergeUnsupportedError('its base is quantised, and a merge needs the weights that it was made from');
  }
  return tensor;
}

async function readWhole(
  reader: TensorReader,
  tensor: TensorLocation,
  into: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  for (let first = 0; first < into.length; first += BLOCK_BYTES) {
    signal.throwIfAborted();
    await reader.readBytes(tensor, into.subarray(first, first + BLOCK_BYTES), first);
  }
}

interface MergeParts {
  reader: TensorReader;
  base: TensorLocation;
  delta: FoldedDelta;
  product: Session;
  signal: AbortSignal;
}

/** into: [out, in] */
async function mergeInto(into: Float32Array, { reader, base, delta, product, signal }: MergeParts): Promise<void> {
  const { rank, inFeatures, outFeatures, a, b } = delta;
  const a32 = float32(a, [rank, inFeatures]);
  const rowsAtOnce = Math.max(1, Math.floor(BLOCK_ELEMENTS / inFeatures));
  for (let first = 0; first < outFeatures; first += rowsAtOnce) {
    signal.throwIfAborted();
    const rows = Math.min(rowsAtOnce, outFeatures - first);
    const block = into.subarray(first * inFeatures, (first + rows) * inFeatures);
    await reader.readFloat32(base, block, first * inFeatures);
    const { [MERGED_WEIGHT]: merged } = await product.run({
      [BASE_WEIGHT]: float32(block, [rows, inFeatures]),
      [MERGE_A]: a32,
      [MERGE_B]: float32(columns(b, rank, outFeatures, first, rows), [rank, rows]),
    });
    if (merged === undefined) throw new Error('the merge put nothing out');
    block.set(merged.data);
  }
}

/** b: [rank, out] → [rank, rows] */
function columns(b: Float32Array, rank: number, out: number, first: number, rows: number): Float32Array {
  if (rows === out) return b;
  const some = new Float32Array(rank * rows);
  for (let r = 0; r < rank; r++) some.set(b.subarray(r * out + first, r * out + first + rows), r * rows);
  return some;
}
