/** A linear layer with its LoRA port: y = W x + bias + delta. */
import { hasBias } from '../formats/checkpoint/modules.js';
import { baseProduct } from './base-product.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { loraDelta } from './lora-port.js';
import { Add } from './ops.js';

export interface LinearOptions {
  /** Added to the result: [N, out], the residual stream. */
  residual?: Value;
  /** The tensor of the weight, where it isn't the module's own (a tied lm_head). */
  weight?: string;
}

/** x: [N, in] → [N, out] */
export function linear(d: Decoder, name: string, x: Value, { residual, weight }: LinearOptions = {}): Value {
  const g = d.graph;
  const module = d.module(name);
  return g.within(name, () => {
    const bias = hasBias(d.config, module.projection)
      ? d.weights.float32(`${name}.bias`, [module.outFeatures])
      : undefined;
    const added = bias && residual ? Add(g, residual, bias) : (bias ?? residual);
    return baseProduct(d, module, x, { added: loraDelta(d, module, x, added), weight });
  });
}
