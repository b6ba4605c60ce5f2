/** Grouped-query attention (arXiv 2305.13245): projections in, attention over the cache, projection out. */
import { attend } from './attend.js';
import { attendPool } from './attend-pool.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { linear } from './linear.js';
import { Reshape, Transpose } from './ops.js';

export interface Attended {
  /** [N, hidden], residual added. */
  hidden: Value;
  /** Where they leave the graph: k and v: [B, kv, T, hd], k rotated. */
  newRows?: { k: Value; v: Value };
}

export interface AttentionOptions {
  /** RMS norm on each head of q and k before they are rotated. */
  headNorm?: boolean;
}

/** x: [N, hidden], normed; residual: [N, hidden] */
export function attention(
  d: Decoder,
  layer: number,
  x: Value,
  residual: Value,
  { headNorm = false }: AttentionOptions = {},
): Attended {
  const g = d.graph;
  const { headDim } = d.config;
  const scope = `model.layers.${layer}.self_attn`;
  const project = (projection: string, shape: Value, norm?: string): Value => {
    const projected = linear(d, `${scope}.${projection}`, x);
    return g.within(scope, () => {
      const perHead = Reshape(g, projected, shape);
      const normed = norm === undefined ? perHead : d.rmsNorm(`${scope}.${norm}`, perHead, headDim);
      return Transpose(g, normed, [0, 2, 1, 3]);
    });
  };
  const q = project('q_proj', d.queryShape, headNorm ? 'q_norm' : undefined);
  const k = project('k_proj', d.keyShape, headNorm ? 'k_norm' : undefined);
  const v = project('v_proj', d.keyShape);
  if (d.options.cache === 'pool') {
    const sum = g.within(scope, () => attendPool(d, layer, { q, k, v }));
    return { hidden: linear(d, `${scope}.o_proj`, sum, { residual }) };
  }
  const { sum, newK } = g.within(scope, () => attend(d, layer, { q, k, v }));
  return { hidden: linear(d, `${scope}.o_proj`, sum, { residual }), newRows: { k: newK, v } };
}
