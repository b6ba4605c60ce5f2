/**
 * What the parts of a decoder share while its graph is built: weights, the inputs that every layer reads, and sizes that
 * are known only at run time. Hidden states are flattened to [N, hidden], N = B·T; letters as in `ports.ts`.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { LinearModule } from '../formats/checkpoint/modules.js';
import { linearModules } from '../formats/checkpoint/modules.js';
import { DataType } from '../formats/onnx/model.js';
import { GraphBuilder, type Value } from './graph-builder.js';
import type { GraphOptions } from './graph-options.js';
import { Concat, Shape, SimplifiedLayerNormalization } from './ops.js';
import { ATTENTION_BIAS, INPUT_IDS, loraMask, POSITION_IDS } from './ports.js';
import { rotaryEmbedding, type Rotary } from './rotary.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { Weights } from './weights.js';

export class Decoder {
  readonly graph = new GraphBuilder();
  readonly config: ModelConfig;
  readonly options: Required<GraphOptions>;
  readonly weights: Weights;
  readonly rotary: Rotary;
  readonly inputIds: Value;
  /** [B, 1, Q, S + T] */
  readonly attentionBias: Value;
  /** Run-time shapes for Reshape: [B, T, heads, hd] and [B, T, kv, hd]. */
  readonly queryShape: Value;
  readonly keyShape: Value;
  /** Run-time length of the new tokens, T: [1] */
  readonly newLength: Value;
  readonly #modules: ReadonlyMap<string, LinearModule>;
  readonly #masks = new Map<string, Value>();

  constructor(config: ModelConfig, tensors: ReadonlyMap<string, TensorLocation>, options: GraphOptions = {}) {
    const g = this.graph;
    this.config = config;
    this.options = { lora: 'ports', ...options };
    this.weights = new Weights(g, tensors);
    this.#modules = new Map(linearModules(config).map((module) => [module.name, module]));
    this.inputIds = g.input(INPUT_IDS, DataType.int64, ['B', 'T']);
    const positionIds = g.input(POSITION_IDS, DataType.int64, ['B', 'T']);
    this.attentionBias = g.input(ATTENTION_BIAS, DataType.float32, ['B', 1, 'Q', 'S + T']);
    this.rotary = rotaryEmbedding(g, config, positionIds);
    const batchShape = Shape(g, this.inputIds, 0, 2);
    this.queryShape = Concat(g, [batchShape, g.int64s(config.heads, config.headDim)], 0);
    this.keyShape = Concat(g, [batchShape, g.int64s(config.kvHeads, config.headDim)], 0);
    this.newLength = Shape(g, this.inputIds, 1, 2);
  }

  module(name: string): LinearModule {
    const module = this.#modules.get(name);
    if (module === undefined) throw new Error(`${name} is not a linear of this model`);
    return module;
  }

  /** The rank mask that all modules of one projection share: [rows, R]. */
  loraMask({ projection }: LinearModule): Value {
    const rows = projection === 'lm_head' ? 'K' : 'N';
    const mask =
      this.#masks.get(projection) ??
      this.graph.input(loraMask(projection), DataType.float32, [rows, rankDimension(projection)]);
    this.#masks.set(projection, mask);
    return mask;
  }

  /** x: […, size] → same */
  rmsNorm(name: string, x: Value, size = this.config.hiddenSize): Value {
    const weight = this.weights.float32(`${name}.weight`, [size]);
    return SimplifiedLayerNormalization(this.graph, x, weight, this.config.rmsNormEps);
  }
}

/** R may differ by projection. */
export const rankDimension = (projection: string): string => `R.${projection}`;
