/** Grouped-query attention (arXiv 2305.13245): projections in, attention over the cache, projection out. */
import { attend, attendOneToken, type Projected } from './attend.js';
import { attendPool } from './attend-pool.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { linear } from './linear.js';
import { type SlotProduct, slotProducts } from './lora-port.js';
import { Concat, Identity, If, Reshape, Split, Transpose } from './ops.js';
import type { Past, RunPart } from './run-part.js';

export interface Attended {
  /** [N, hidden], to be added to the residual stream. */
  output: Value;
  /** Where they leave the graph, of each part of a run. */
  newRows: readonly NewRows[];
}

/** [B, kv, T, hd] each, k rotated. */
export interface NewRows {
  k: Value;
  v: Value;
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
  const project = (projection: string, slotProduct: SlotProduct | undefined, norm?: string): Value => {
    const projected = linear(d, `${scope}.${projection}`, x, { slotProduct });
    if (norm === undefined) return projected;
    return g.within(scope, () =>
      d.rmsNorm(`${scope}.${norm}`, Reshape(g, projected, g.int64s(0, -1, headDim)), headDim),
    );
  };
  const projected = {
    q: project('q_proj', qProduct, headNorm ? 'q_norm' : undefined),
    k: project('k_proj', kProduct, headNorm ? 'k_norm' : undefined),
    v: project('v_proj', vProduct),
  };
  const { sum, newRows } = g.within(scope, () => attended(d, layer, projected));
  const [slotProduct] = slotProducts(d, layer, 'o', sum);
  return { output: linear(d, `${scope}.o_proj`, sum, { slotProduct }), newRows };
}

/** q: [N, heads·hd], k, v: [N, kv·hd], or the heads as a dimension of their own → sum: [N, heads·hd] */
function attended(d: Decoder, layer: number, projected: Projected): { sum: Value; newRows: NewRows[] } {
  const g = d.graph;
  if (d.parts === null) return { sum: attendPool(d, layer, perHead(d, projected)), newRows: [] };
  const { first, second } = d.parts;
  if (d.options.oneToken) {
    const { sum, newK, newV } = attendOneToken(d, layer, first, projected);
    return { sum, newRows: [{ k: newK, v: newV }] };
  }
  const inPart = (part: RunPart, own: Projected): { sum: Value; newRows: NewRows } => {
    const { q, k, v } = perHead({ graph: g, queryShape: part.queryShape, keyShape: part.keyShape }, own);
    const { sum, newK } = attend(d, layer, part, { q, k, v });
    return { sum, newRows: { k: newK, v } };
  };
  if (second === undefined) {
    const { sum, newRows } = inPart(first, projected);
    return { sum, newRows: [newRows] };
  }
  const { part, isThere, tokens } = second;
  const [sum, k, v, besideK, besideV] = If(
    g,
    isThere,
    () => {
      const [q, k, v] = [projected.q, projected.k, projected.v].map((both) => Split(g, both, tokens, 0)) as [
        [Value, Value],
        [Value, Value],
        [Value, Value],
      ];
      const ours = inPart(first, { q: q[0], k: k[0], v: v[0] });
      const theirs = inPart(part, { q: q[1], k: k[1], v: v[1] });
      const rows = [ours.newRows, theirs.newRows].flatMap(({ k, v }) => [k, v]);
      return [Concat(g, [ours.sum, theirs.sum], 0), ...rows];
    },
    () => {
      const { sum, newRows } = inPart(first, projected);
      // As empty as the other part's new rows are then.
      const none = (part.pasts[layer] as Past).v;
      return [sum, newRows.k, newRows.v, Identity(g, none), Identity(g, none)];
    },
  ) as [Value, Value, Value, Value, Value];
  return {
    sum,
    newRows: [
      { k, v },
      { k: besideK, v: besideV },
    ],
  };
}

/** → q: [B, heads, T, hd], k, v: [B, kv, T, hd] */
function perHead(
  { graph: g, queryShape, keyShape }: Pick<Decoder, 'graph' | 'queryShape' | 'keyShape'>,
  { q, k, v }: Projected,
): Projected {
  const split = (x: Value, shape: Value): Value => Transpose(g, Reshape(g, x, shape), [0, 2, 1, 3]);
  return { q: split(q, queryShape), k: split(k, keyShape), v: split(v, keyShape) };
}
