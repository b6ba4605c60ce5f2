/** Grouped-query attention (arXiv 2305.13245): projections in, attention over the cache, projection out. */
import { attend } from './attend.js';
import { attendPool } from './attend-pool.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { linear } from './linear.js';
import { slotProducts } from './lora-port.js';
import { Reshape, Transpose } from './ops.js';

export interface Attended {
  /** [N, hidden], to be added to the residual stream. */
  output: Value;
  /** Where they leave the graph: k and v: [B, kv, T, hd], k rotated. */
  newRows?: { k: Value; v: Value };
}

export interface AttentionOptions {
  /** RMS norm on each head of q and k before they are rotated. */
  headNorm?: boolean;
}

/** x: [N, hidden], normed */
export function attention(d: Decoder, layer: number, x: Value, { headNorm = false }: AttentionOptions = {}): Attended {
  const g = d.graph;
  const { headDim } = d.config;
  const scope = `model.layers.${layer}.self_attn`;
  const [qProduct, kProduct, vProduct] = slotProducts(d, layer, 'qkv', x);
  const project = (projection: string, slotProduct: Value | undefined, shape: Value, norm?: string): Value => {
    const projected = linear(d, `${scope}.${projection}`, x, { slotProduct });
    return g.within(scope, () => {
      const perHead = Reshape(g, projected, shape);
      const normed = norm === undefined ? perHead : d.rmsNorm(`${scope}.${norm}`, perHead, headDim);
      return Transpose(g, normed, [0, 2, 1, 3]);
    });
  };
  const q = project('q_proj', qProduct, d.queryShape, headNorm ? 'q_norm' : undefined);
  const k = project('k_proj', kProduct, d.keyShape, headNorm ? 'k_norm' : undefined);
  const v = project('v_proj', vProduct, d.keyShape);
  if (d.options.cache === 'pool') {
    const sum = g.within(scope, () => attendPool(d, layer, { q, k, v }));
    return { output: outputOf(sum) };
  }
  const { sum, newK } = g.within(scope, () => attend(d, layer, { q, k, v }));
  return { output: outputOf(sum), newRows: { k: newK, v } };

  function outputOf(sum: Value): Value {
    const [slotProduct] = slotProducts(d, layer, 'o', sum);
    return linear(d, `${scope}.o_proj`, sum, { slotProduct });
  }
}
