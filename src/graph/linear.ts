/** A linear layer with its LoRA ports: y = W x + bias + deltas. */
import { hasBias, type LinearModule } from '../formats/checkpoint/modules.js';
import { baseProduct } from './base-product.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { sharedDelta, slotDelta, type SlotProduct } from './lora-port.js';
import { Add } from './ops.js';

export interface LinearOptions {
  /** Of its private port, where it has one. */
  slotProduct?: SlotProduct;
  /** The tensor of the weight, where it isn't the module's own (a tied lm_head). */
  weight?: string;
}

/** x: [N, in] → [N, out] */
export function linear(d: Decoder, name: string, x: Value, { slotProduct, weight }: LinearOptions = {}): Value {
  const g = d.graph;
  const module = d.module(name);
  return g.within(name, () => {
    const bias = hasBias(d.config, module.projection)
      ? d.weights.float32(`${name}.bias`, [module.outFeatures])
      : undefined;
    if (d.narrow.isNarrow) return narrowLinear(d, module, x, { bias, weight });
    const delta = slotProduct === undefined ? undefined : slotDelta(d, module, slotProduct);
    const added = bias && delta ? Add(g, delta, bias) : (bias ?? delta);
    return baseProduct(d, module, x, { added: sharedDelta(d, module, x, added), weight });
  });
}

/**
 * The same where matrices and rank rows are float16: base and delta are summed in float16, and a bias, which may be much
 * larger than both, is added in float32.
 */
function narrowLinear(
  d: Decoder,
  module: LinearModule,
  x: Value,
  { bias, weight }: { bias?: Value; weight?: string },
): Value {
  const delta = sharedDelta(d, module, d.narrow.down(x));
  const product = baseProduct(d, module, x, { added: delta, weight });
  return bias === undefined ? product : Add(d.graph, product, bias);
}
