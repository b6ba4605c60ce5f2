/**
 * The weights of a merged lane: W + Σ w·s·B·A for every module that the path's adapters touch, everything else as the
 * checkpoint has it. A tied lm_head that is touched gets a tensor of its own: the embedding never changes.
 *
 * What is touched is float32, whatever the checkpoint stores; over a quantised base it is quantised anew, from the sum of
 * the weights that the base was made from. The work is done in pieces of a few milliseconds, between
 * which the event loop has its turn.
 */
import { MergeUnsupportedError } from '../errors/merges.js';
import { EMBEDDING, LM_HEAD } from '../formats/checkpoint/expected-tensors.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules, type LinearModule } from '../formats/checkpoint/modules.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { TensorReader } from '../formats/checkpoint/tensor-reader.js';
import { quantizeWeight } from '../formats/quantization/quantize-weight.js';
import { PARTS, storedScheme } from '../formats/quantization/quantized-file.js';
import type { Scheme } from '../formats/quantization/scheme.js';
import { BASE_WEIGHT, encodeMergeGraph, MERGE_A, MERGE_B, MERGED_WEIGHT } from '../graph/merge-graph.js';
import { concatenateFolded } from '../lowrank/concatenate-folded.js';
import type { FoldedDelta } from '../lowrank/delta.js';
import type { FoldedAdapter } from './folded-adapter.js';
import { type FileInMemory, float32, Session } from './ort.js';
import { type PlannedTensor, TensorMemory } from './tensor-memory.js';

/**
 * Numbers of a weight that are merged before the next turn of the event loop: 4 MB, a few milliseconds, and some twenty
 * more where they are quantised.
 */
const BLOCK_ELEMENTS = 1024 * 1024;
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
  const memory = new TensorMemory(plan(config, tensors, touched));
  const product = await Session.load({ graph: encodeMergeGraph(), files: [] }, { threads });
  const reader = new TensorReader(checkpoint.folder);
  try {
    for (const [name, tensor] of untouched(config, tensors, touched)) {
      signal.throwIfAborted();
      await readWhole(reader, tensor, memory.bytes(name), signal);
    }
    for (const [name, module] of touched) {
      const base = baseWeight(tensors, name);
      const delta = concatenateFolded(
        path.flatMap(({ adapter, weight }) => {
          const part = adapter.deltas.get(module.name);
          return part === undefined ? [] : [{ delta: part, weight }];
        }),
      );
      const scheme = storedScheme(tensors, module.name);
      const write = scheme === null ? intoFloats(memory, name) : intoParts(memory, module, scheme);
      await mergeInto(write, { reader, base, delta, product, signal });
    }
  } finally {
    await reader.close();
    await product.release();
  }
  const tiedEmbeddings = config.tiedEmbeddings && !touched.has(LM_HEAD);
  return { config: { ...config, tiedEmbeddings }, tensors: memory.locations, files: memory.files };
}

/** The checkpoint's tensors that the lane's graph reads, without those that a touched module's are made anew of. */
function untouched(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
  touched: ReadonlyMap<string, LinearModule>,
): [string, TensorLocation][] {
  const others = new Set(touched.keys());
  for (const { name } of linearModules(config)) {
    if (storedScheme(tensors, name) === null) continue;
    // What it was quantised from; a tied lm_head was from the embedding, which stays.
    others.add(`${name}.weight`);
    if (touched.has(`${name}.weight`)) for (const part of PARTS) others.add(part.name(name));
  }
  return [...tensors].filter(([name]) => !others.has(name));
}

function plan(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
  touched: ReadonlyMap<string, LinearModule>,
): PlannedTensor[] {
  const planned = ([name, { dtype, shape, begin, end }]: [string, TensorLocation]): PlannedTensor => ({
    name,
    dtype,
    shape,
    bytes: end - begin,
  });
  const made = [...touched].flatMap(([tensor, { name, outFeatures, inFeatures }]): PlannedTensor[] => {
    if (storedScheme(tensors, name) !== null) {
      // Of the same shapes as the base's.
      return [...tensors].filter(([each]) => PARTS.some((part) => part.name(name) === each)).map(planned);
    }
    const bytes = outFeatures * inFeatures * Float32Array.BYTES_PER_ELEMENT;
    return [{ name: tensor, dtype: 'F32', shape: [outFeatures, inFeatures], bytes }];
  });
  return [...untouched(config, tensors, touched).map(planned), ...made];
}

/** Takes rows of a merged weight, from row `first` on. */
type WriteRows = (rows: Float32Array, first: number) => void;

function intoFloats(memory: TensorMemory, tensor: string): WriteRows {
  const weight = memory.floats(tensor);
  const inFeatures = memory.locations.get(tensor)?.shape[1] ?? 0;
  return (rows, first) => weight.set(rows, first * inFeatures);
}

function intoParts(memory: TensorMemory, { name, outFeatures, inFeatures }: LinearModule, scheme: Scheme): WriteRows {
  const parts = PARTS.filter(({ name: nameOf }) => memory.locations.has(nameOf(name)));
  return (rows, first) => {
    const quantized = quantizeWeight(rows, [rows.length / inFeatures, inFeatures], scheme);
    for (const { name: nameOf, part } of parts) {
      const whole = memory.bytes(nameOf(name));
      whole.set(new Uint8Array(quantized[part].buffer), (first * whole.length) / outFeatures);
    }
  };
}

/** The tensor that a module's weight starts from: a tied lm_head from the embedding. */
function baseWeight(tensors: ReadonlyMap<string, TensorLocation>, name: string): TensorLocation {
  const tensor = tensors.get(name) ?? (name === LM_HEAD ? tensors.get(EMBEDDING) : undefined);
  if (tensor === undefined) throw new MergeUnsupportedError(`its base has no ${name}`);
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

async function mergeInto(write: WriteRows, { reader, base, delta, product, signal }: MergeParts): Promise<void> {
  const { rank, inFeatures, outFeatures, a, b } = delta;
  const a32 = float32(a, [rank, inFeatures]);
  const rowsAtOnce = Math.min(outFeatures, Math.max(1, Math.floor(BLOCK_ELEMENTS / inFeatures)));
  const block = new Float32Array(rowsAtOnce * inFeatures);
  for (let first = 0; first < outFeatures; first += rowsAtOnce) {
    signal.throwIfAborted();
    const rows = Math.min(rowsAtOnce, outFeatures - first);
    const weights = block.subarray(0, rows * inFeatures);
    await reader.readFloat32(base, weights, first * inFeatures);
    const { [MERGED_WEIGHT]: merged } = await product.run({
      [BASE_WEIGHT]: float32(weights, [rows, inFeatures]),
      [MERGE_A]: a32,
      [MERGE_B]: float32(columns(b, rank, outFeatures, first, rows), [rank, rows]),
    });
    if (merged === undefined) throw new Error('the merge put nothing out');
    write(merged.data, first);
  }
}

/** b: [rank, out] → [rank, rows] */
function columns(b: Float32Array, rank: number, out: number, first: number, rows: number): Float32Array {
  if (rows === out) return b;
  const some = new Float32Array(rank * rows);
  for (let r = 0; r < rank; r++) some.set(b.subarray(r * out + first, r * out + first + rows), r * rows);
  return some;
}
