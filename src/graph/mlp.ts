import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { linear } from './linear.js';
import { slotProducts } from './lora-port.js';
import { Mul, Sigmoid } from './ops.js';

/** SwiGLU (arXiv 2002.05202): down(silu(gate(x)) ⊙ up(x)). x: [N, hidden], normed → [N, hidden] */
export function gatedMlp(d: Decoder, layer: number, x: Value): Value {
  const g = d.graph;
  const scope = `model.layers.${layer}.mlp`;
  const [gateProduct, upProduct] = slotProducts(d, layer, 'gate_up', x);
  const gate = linear(d, `${scope}.gate_proj`, x, { slotProduct: gateProduct });
  const up = linear(d, `${scope}.up_proj`, x, { slotProduct: upProduct });
  const activated = g.within(scope, () => Mul(g, Mul(g, gate, Sigmoid(g, gate)), up));
  const [downProduct] = slotProducts(d, layer, 'down', activated);
  return linear(d, `${scope}.down_proj`, activated, { slotProduct: downProduct });
}
