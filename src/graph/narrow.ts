/**
 * Float16 in a decoder's graph. What is large is float16: matrices, rank rows and the KV pool, and so are the products with
 * matrices and rank rows, in which the device may sum in float16 too. What would suffer is float32 between them: the
 * residual stream, norms, biases, rotary embedding, attention scores and their Softmax, activations, logits.
 */
import { DataType } from '../formats/onnx/model.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import type { FloatType } from './graph-options.js';
import { Cast } from './ops.js';

export class Narrow {
  /** Of matrices, rank rows and the pool. */
  readonly type: DataType;
  readonly isNarrow: boolean;
  readonly #graph: GraphBuilder;
  readonly #narrowed = new Map<Value, Value>();

  constructor(graph: GraphBuilder, floatType: FloatType) {
    this.#graph = graph;
    this.isNarrow = floatType === 'float16';
    this.type = DataType[floatType];
  }

  /** float32 → `type`: once, however many products read it. */
  down(x: Value): Value {
    if (!this.isNarrow) return x;
    const narrowed = this.#narrowed.get(x) ?? Cast(this.#graph, x, this.type);
    this.#narrowed.set(x, narrowed);
    return narrowed;
  }

  /** `type` → float32 */
  up(x: Value): Value {
    return this.isNarrow ? Cast(this.#graph, x, DataType.float32) : x;
  }
}
