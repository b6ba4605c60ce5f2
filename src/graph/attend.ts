/**
 * Attention over a KV cache that is fed, from plain operators.
 *
 * The cache is read where it lies: the scores of past and new positions are computed apart and joined for one Softmax,
 * the weights are split again, and the two sums added. Only the new rows of K and V leave the graph. The g heads of a
 * group are stacked along T, so that they share one product with the K and V of their group. A product for each head,
 * which the runtime does without copying K and V into panels first, was 5% faster for 16 rows and slower for one.
 */
import type { Decoder } from './decoder.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import { Add, Concat, MatMul, Reshape, Softmax, Split, Transpose } from './ops.js';
import type { Past, RunPart } from './run-part.js';

/** Not rotated. */
export interface Projected {
  /** [B, heads, T, hd] */
  q: Value;
  /** [B, kv, T, hd] */
  k: Value;
  /** [B, kv, T, hd] */
  v: Value;
}

/** sum: [N, heads·hd], newK: [B, kv, T, hd], rotated */
export function attend(
  d: Decoder,
  layer: number,
  part: RunPart,
  { q, k, v: newV }: Projected,
): { sum: Value; newK: Value } {
  const g = d.graph;
  const { heads, kvHeads, headDim } = d.config;
  // One for each layer.
  const past = part.pasts[layer] as Past;
  const newK = part.rotary.key(k);
  const grouped = Reshape(g, part.rotary.query(q), g.int64s(0, kvHeads, -1, headDim));
  const fresh = { transposedK: Transpose(g, newK, [0, 1, 3, 2]), v: newV };
  const sum = weightedSum(g, part, grouped, past, fresh);
  const perToken = Transpose(g, Reshape(g, sum, g.int64s(0, heads, -1, headDim)), [0, 2, 1, 3]);
  return { newK, sum: Reshape(g, perToken, g.int64s(-1, heads * headDim)) };
}

/**
 * The same where all rows have one new token, whose heads lie as attention wants them: nothing is transposed.
 * q: [N, heads·hd], k, v: [N, kv·hd], or the heads as a dimension of their own → sum: [N, heads·hd], newK, newV: [B, kv, 1, hd]
 */
export function attendOneToken(
  d: Decoder,
  layer: number,
  part: RunPart,
  { q, k, v }: Projected,
): { sum: Value; newK: Value; newV: Value } {
  const g = d.graph;
  const { heads, kvHeads, headDim } = d.config;
  const newK = part.rotary.key(Reshape(g, k, g.int64s(-1, kvHeads, 1, headDim)));
  const newV = Reshape(g, v, g.int64s(-1, kvHeads, 1, headDim));
  const grouped = part.rotary.query(Reshape(g, q, g.int64s(-1, kvHeads, heads / kvHeads, headDim)));
  const fresh = { transposedK: Reshape(g, newK, g.int64s(-1, kvHeads, headDim, 1)), v: newV };
  // One for each layer.
  const sum = weightedSum(g, part, grouped, part.pasts[layer] as Past, fresh);
  return { newK, newV, sum: Reshape(g, sum, g.int64s(-1, heads * headDim)) };
}

/** queries: [B, kv, g·T, hd] → same. transposedK: [B, kv, hd, T], v: [B, kv, T, hd], of the new tokens */
function weightedSum(
  g: GraphBuilder,
  { attentionBias, lengths }: RunPart,
  queries: Value,
  past: Past,
  fresh: { transposedK: Value; v: Value },
): Value {
  const scores = Concat(g, [MatMul(g, queries, past.k), MatMul(g, queries, fresh.transposedK)], 3);
  const weights = Softmax(g, Add(g, scores, attentionBias));
  const [pastWeights, newWeights] = Split(g, weights, lengths, 3);
  return Add(g, MatMul(g, pastWeights, past.v), MatMul(g, newWeights, fresh.v));
}
