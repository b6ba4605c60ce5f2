import { attention, type Attended, type AttentionOptions } from './attention.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { gatedMlp } from './mlp.js';

/** One layer of a decoder. hidden: [N, hidden] → the same, and the layer's new rows of K and V */
export type DecoderBlock = (d: Decoder, layer: number, hidden: Value) => Attended;

/** The block that Llama and its descendants share: RMS norm before attention and before a gated MLP. */
export function preNormBlock(d: Decoder, layer: number, hidden: Value, options?: AttentionOptions): Attended {
  const scope = `model.layers.${layer}`;
  const norm = (name: string, x: Value) => d.graph.within(scope, () => d.rmsNorm(`${scope}.${name}`, x));
  const attended = attention(d, layer, norm('input_layernorm', hidden), hidden, options);
  const output = gatedMlp(d, layer, norm('post_attention_layernorm', attended.hidden), attended.hidden);
  return { ...attended, hidden: output };
}
