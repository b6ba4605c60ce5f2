import { attention, type Attended, type AttentionOptions } from './attention.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { gatedMlp } from './mlp.js';

/**
 * The hidden states between layers, as two addends: what a layer puts out is added by the norm that reads it, in one
 * operator with it. [N, hidden] each.
 */
export interface ResidualStream {
  residual: Value;
  /** None before the first layer. */
  output?: Value;
}

/** One layer of a decoder. → the stream behind it, and the layer's new rows of K and V */
export type DecoderBlock = (
  d: Decoder,
  layer: number,
  stream: ResidualStream,
) => { stream: Required<ResidualStream>; newRows: Attended['newRows'] };

/** The block that Llama and its descendants share: RMS norm before attention and before a gated MLP. */
export const preNormBlock =
  (options?: AttentionOptions): DecoderBlock =>
  (d, layer, stream) => {
    const scope = `model.layers.${layer}`;
    const norm = (name: string, { residual, output }: ResidualStream) =>
      d.graph.within(scope, () =>
        output === undefined
          ? { normed: d.rmsNorm(`${scope}.${name}`, residual), sum: residual }
          : d.addNorm(`${scope}.${name}`, residual, output),
      );
    const before = norm('input_layernorm', stream);
    const { output, newRows } = attention(d, layer, before.normed, options);
    const between = norm('post_attention_layernorm', { residual: before.sum, output });
    return { stream: { residual: between.sum, output: gatedMlp(d, layer, between.normed) }, newRows };
  };
