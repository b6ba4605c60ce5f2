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
import { Narrow } from './narrow.js';
import { KEY_SHAPE, QUERY_SHAPE } from './pool-ports.js';
import { INPUT_IDS, IS_BESIDE, loraMask, POSITION_IDS } from './ports.js';
import { rotaryFromTables, type Rotary } from './rotary.js';
import { RunPart } from './run-part.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { Weights } from './weights.js';

/** Of a run. */
export interface RunParts {
  first: RunPart;
  second?: {
    part: RunPart;
    /** boolean, [1] */
    isThere: Value;
    /** Number of tokens of each part: [2] */
    tokens: Value;
  };
}

export class Decoder {
  readonly graph = new GraphBuilder();
  readonly config: ModelConfig;
  readonly options: Required<GraphOptions>;
  readonly weights: Weights;
  readonly narrow: Narrow;
  /** Of a cache that is fed. */
  readonly parts: RunParts | null = null;
  /** Of a cache that is a pool; else of the first part, as are the shapes. */
  readonly rotary: Rotary;
  /** [B, T] of a cache that is a pool, else [N]. */
  readonly inputIds: Value;
  /** Run-time shapes for Reshape: [B, T, heads, hd] and [B, T, kv, hd]. */
  readonly queryShape: Value;
  readonly keyShape: Value;
  readonly #modules: ReadonlyMap<string, LinearModule>;
  readonly #known = new Map<string, Value>();
  #pool: PoolPorts | null = null;

  constructor(config: ModelConfig, tensors: ReadonlyMap<string, TensorLocation>, options: GraphOptions = {}) {
    const g = this.graph;
    this.config = config;
    this.options = {
      lora: 'shared',
      weights: 'initializers',
      cache: 'past',
      beside: false,
      oneToken: false,
      floatType: 'float32',
      ...options,
    };
    if (this.options.oneToken && (this.options.beside || this.options.cache === 'pool')) {
      throw new Error('a graph for one token a row has one part, and a cache that is fed');
    }
    this.narrow = new Narrow(g, this.options.floatType);
    this.weights = new Weights(g, tensors, this.options);
    this.#modules = new Map(linearModules(config).map((module) => [module.name, module]));
    if (this.options.cache === 'pool') {
      this.inputIds = g.input(INPUT_IDS, DataType.int64, ['B', 'T']);
      this.rotary = rotaryFromTables(g, config, g.input(POSITION_IDS, DataType.int64, ['B', 'T']));
      this.queryShape = g.input(QUERY_SHAPE, DataType.int64, [4]);
      this.keyShape = g.input(KEY_SHAPE, DataType.int64, [4]);
      return;
    }
    const { oneToken } = this.options;
    const first = new RunPart(g, config, 'first', { oneToken });
    this.parts = { first };
    ({ ids: this.inputIds, rotary: this.rotary, queryShape: this.queryShape, keyShape: this.keyShape } = first);
    if (!this.options.beside) return;
    const beside = new RunPart(g, config, 'beside', { oneToken: false });
    this.inputIds = Concat(g, [first.ids, beside.ids], 0);
    const isThere = g.input(IS_BESIDE, DataType.bool, [1]);
    this.parts = { first, second: { part: beside, isThere, tokens: Concat(g, [first.tokens, beside.tokens], 0) } };
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

  /** The rank mask that all modules of one projection share, in the type of rank rows: [rows, R]. */
  loraMask({ projection }: LinearModule): Value {
    const name = loraMask(projection);
    const rows = projection === 'lm_head' ? 'K' : 'N';
    return this.once(name, () =>
      this.narrow.down(this.graph.input(name, DataType.float32, [rows, rankDimension(projection)])),
    );
  }

  /** Run-time shape for Reshape: [slots, tokens of a slot, width]. slots: what is fed for a private port of the part. */
  slotShape(part: number, slots: Value, width: number): Value {
    const g = this.graph;
    // The same of all ports, so asked of one.
    const count = this.once(`slots of part ${part}`, () => Shape(g, slots, 0, 1));
    return this.once(`slot shape of part ${part}, ${width}`, () => Concat(g, [count, g.int64s(-1, width)], 0));
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
