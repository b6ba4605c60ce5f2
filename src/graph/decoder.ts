/**
 * What the parts of a decoder share while its graph is built: weights, the inputs that every layer reads, and sizes that
 * are known only at run time. Hidden states are flattened to [N, hidden], N = B·T; letters as in `ports.ts`.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { LinearModule, Projection } from '../formats/checkpoint/modules.js';
import { linearModules } from '../formats/checkpoint/modules.js';
import { DataType } from '../formats/onnx/model.js';
import { GraphBuilder, type Value } from './graph-builder.js';
import type { GraphOptions } from './graph-options.js';
import { Concat, Shape, SimplifiedLayerNormalization, SkipSimplifiedLayerNormalization } from './ops.js';
import { type PoolPorts, poolPorts } from './attend-pool.js';
import { KEY_SHAPE, QUERY_SHAPE } from './pool-ports.js';
import { ATTENTION_BIAS, INPUT_IDS, loraMask, POSITION_IDS } from './ports.js';
import { rotaryEmbedding, rotaryFromTables, type Rotary } from './rotary.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { Weights } from './weights.js';

export class Decoder {
  readonly graph = new GraphBuilder();
  readonly config: ModelConfig;
  readonly options: Required<GraphOptions>;
  readonly weights: Weights;
  readonly rotary: Rotary;
  readonly inputIds: Value;
  readonly positionIds: Value;
  /** Run-time shapes for Reshape: [B, T, heads, hd] and [B, T, kv, hd]. */
  readonly queryShape: Value;
  readonly keyShape: Value;
  readonly #modules: ReadonlyMap<string, LinearModule>;
  readonly #known = new Map<string, Value>();
  #attentionBias: Value | null = null;
  #newLength: Value | null = null;
  #pool: PoolPorts | null = null;

  constructor(config: ModelConfig, tensors: ReadonlyMap<string, TensorLocation>, options: GraphOptions = {}) {
    const g = this.graph;
    this.config = config;
    this.options = { lora: 'shared', weights: 'initializers', cache: 'past', ...options };
    this.weights = new Weights(g, tensors, this.options.weights);
    this.#modules = new Map(linearModules(config).map((module) => [module.name, module]));
    this.inputIds = g.input(INPUT_IDS, DataType.int64, ['B', 'T']);
    this.positionIds = g.input(POSITION_IDS, DataType.int64, ['B', 'T']);
    if (this.options.cache === 'pool') {
      this.rotary = rotaryFromTables(g, config, this.positionIds);
      this.queryShape = g.input(QUERY_SHAPE, DataType.int64, [4]);
      this.keyShape = g.input(KEY_SHAPE, DataType.int64, [4]);
      return;
    }
    this.rotary = rotaryEmbedding(g, config, this.positionIds);
    const batchShape = this.once('batch shape', () => Shape(g, this.inputIds, 0, 2));
    this.queryShape = Concat(g, [batchShape, g.int64s(config.heads, config.headDim)], 0);
    this.keyShape = Concat(g, [batchShape, g.int64s(config.kvHeads, config.headDim)], 0);
  }

  /** [B, 1, Q, S + T]; of a cache that is fed. */
  get attentionBias(): Value {
    this.#attentionBias ??= this.graph.input(ATTENTION_BIAS, DataType.float32, ['B', 1, 'Q', 'S + T']);
    return this.#attentionBias;
  }

  /** Run-time length of the new tokens, T: [1] */
  get newLength(): Value {
    this.#newLength ??= Shape(this.graph, this.inputIds, 1, 2);
    return this.#newLength;
  }

  /** What layers read of a cache that is a pool. */
  get pool(): PoolPorts {
    this.#pool ??= poolPorts(this.graph, this.config);
    return this.#pool;
  }

  module(name: string): LinearModule {
    const module = this.#modules.get(name);
    if (module === undefined) throw new Error(`${name} is not a linear of this model`);
    return module;
  }

  layerModule(layer: number, projection: Projection): LinearModule {
    const suffix = `.${projection}`;
    const prefix = `model.layers.${layer}.`;
    for (const module of this.#modules.values()) {
      if (module.name.startsWith(prefix) && module.name.endsWith(suffix)) return module;
    }
    throw new Error(`layer ${layer} has no ${projection}`);
  }

  /** The rank mask that all modules of one projection share: [rows, R]. */
  loraMask({ projection }: LinearModule): Value {
    const name = loraMask(projection);
    const rows = projection === 'lm_head' ? 'K' : 'N';
    return this.once(name, () => this.graph.input(name, DataType.float32, [rows, rankDimension(projection)]));
  }

  /** Run-time shape for Reshape: [B, T, width] */
  rowShape(width: number): Value {
    const g = this.graph;
    const batchShape = this.once('batch shape', () => Shape(g, this.inputIds, 0, 2));
    return this.once(`row shape ${width}`, () => Concat(g, [batchShape, g.int64s(width)], 0));
  }

  /** What `make` gives, made at the first call of this name. */
  once(name: string, make: () => Value): Value {
    const value = this.#known.get(name) ?? make();
    this.#known.set(name, value);
    return value;
  }

  /** x: […, size] → same */
  rmsNorm(name: string, x: Value, size = this.config.hiddenSize): Value {
    const weight = this.weights.float32(`${name}.weight`, [size]);
    return SimplifiedLayerNormalization(this.graph, x, weight, this.config.rmsNormEps);
  }

  /** The norm of a + b, and the sum. a, b: [N, hidden] → [N, hidden] each */
  addNorm(name: string, a: Value, b: Value): { normed: Value; sum: Value } {
    const weight = this.weights.float32(`${name}.weight`, [this.config.hiddenSize]);
    const [normed, sum] = SkipSimplifiedLayerNormalization(this.graph, a, b, weight, this.config.rmsNormEps);
    return { normed, sum };
  }
}

/** R may differ by projection. */
export const rankDimension = (projection: string): string => `R.${projection}`;

/** P may differ by projection. */
export const slotDimension = (projection: string): string => `P.${projection}`;
