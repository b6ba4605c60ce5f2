import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { linear } from './linear.js';
import { Mul, Sigmoid } from './ops.js';

/** SwiGLU (arXiv 2002.05202): down(silu(gate(x)) ⊙ up(x)) + residual. x: [N, hidden], normed → [N, hidden] */
export function gatedMlp(d: Decoder, layer: number, x: Value, residual: Value): Value {
  const g = d.graph;
  const scope = `model.layers.${layer}.mlp`;
  const gate = linear(d, `${scope}.gate_proj`, x);
  const up = linear(d, `${scope}.up_proj`, x);
  const activated = g.within(scope, () => Mul(g, Mul(g, gate, Sigmoid(g, gate)), up));
  return linear(d, `${scope}.down_proj`, activated, { residual });
}
