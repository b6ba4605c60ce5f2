/**
 * What a graph is told of one part of a run: rows that have as many new tokens each, and a KV cache of one capacity. A run
 * has one part, or a second one *beside* it, of other rows with other lengths; linears see the tokens of both at once.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { DataType } from '../formats/onnx/model.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import { Concat, Reshape, Shape } from './ops.js';
import { ATTENTION_BIAS, beside, INPUT_IDS, pastK, pastV, POSITION_IDS } from './ports.js';
import { type Rotary, rotaryEmbedding } from './rotary.js';

export interface Past {
  /** [B, kv, hd, S] */
  k: Value;
  /** [B, kv, S, hd] */
  v: Value;
}

export class RunPart {
  /** [B·T] */
  readonly ids: Value;
  readonly rotary: Rotary;
  /** [B, 1, Q, S + T] */
  readonly attentionBias: Value;
  /** Run-time shapes for Reshape: [B, T, heads, hd] and [B, T, kv, hd]. */
  readonly queryShape: Value;
  readonly keyShape: Value;
  readonly pasts: readonly Past[];
  /** Run-time lengths of past and new tokens: [S, T] */
  readonly lengths: Value;
  /** Run-time number of its tokens, B·T: [1] */
  readonly tokens: Value;

  /** `oneToken`: all rows have one new token, T = 1. */
  constructor(g: GraphBuilder, config: ModelConfig, which: 'first' | 'beside', { oneToken }: { oneToken: boolean }) {
    const named = (name: string): string => (which === 'first' ? name : beside(name));
    const [B, S, Q] = which === 'first' ? ['B', 'S', 'Q'] : ['B2', 'S2', 'Q2'];
    const T = oneToken ? 1 : which === 'first' ? 'T' : 'T2';
    const { heads, kvHeads, headDim, layers } = config;
    const ids = g.input(named(INPUT_IDS), DataType.int64, [B, T]);
    this.ids = Reshape(g, ids, g.int64s(-1));
    this.tokens = Shape(g, this.ids, 0, 1);
    const positions = g.input(named(POSITION_IDS), DataType.int64, [B, T]);
    this.rotary = rotaryEmbedding(g, config, positions, oneToken ? heads / kvHeads : 1);
    this.attentionBias = g.input(named(ATTENTION_BIAS), DataType.float32, [B, 1, Q, `${S} + ${T}`]);
    const shape = Shape(g, ids, 0, 2);
    this.queryShape = Concat(g, [shape, g.int64s(heads, headDim)], 0);
    this.keyShape = Concat(g, [shape, g.int64s(kvHeads, headDim)], 0);
    this.pasts = Array.from({ length: layers }, (_, layer) => ({
      k: g.input(named(pastK(layer)), DataType.float32, [B, kvHeads, headDim, S]),
      v: g.input(named(pastV(layer)), DataType.float32, [B, kvHeads, S, headDim]),
    }));
    // A model has one layer at least.
    const { v } = this.pasts[0] as Past;
    this.lengths = Concat(g, [Shape(g, v, 2, 3), Shape(g, ids, 1, 2)], 0);
  }
}
