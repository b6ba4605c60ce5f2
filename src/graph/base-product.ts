/**
 * x Wᵀ + what is added to it: the product with the base weight, as the checkpoint stores it, [out, in], or as the import
 * has quantised it.
 */
import type { LinearModule } from '../formats/checkpoint/modules.js';
import { BLOCK } from '../formats/quantization/scheme.js';
import type { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { Add, Gemm, MatMulNBits } from './ops.js';

export interface BaseProductOptions {
  /** [N, out] or [out], in the type of rank rows. With a dense weight it's the C of a Gemm, and so costs no operator of its own. */
  added?: Value;
  /** The tensor of the weight, where it isn't the module's own. */
  weight?: string;
}

/** x: [N, in] → [N, out], both float32 */
export function baseProduct(d: Decoder, module: LinearModule, x: Value, { added, weight }: BaseProductOptions): Value {
  const { name, outFeatures, inFeatures } = module;
  if (d.weights.isQuantized(name)) {
    const { bits, ...parts } = d.weights.quantized(name, [outFeatures, inFeatures]);
    const shape = { bits, inFeatures, outFeatures, blockSize: BLOCK };
    const product = MatMulNBits(d.graph, x, parts, shape);
    return added === undefined ? product : Add(d.graph, product, d.narrow.up(added));
  }
  const w = d.weights.matrix(weight ?? `${name}.weight`, [outFeatures, inFeatures]);
  return d.narrow.up(Gemm(d.graph, d.narrow.down(x), w, { transB: true, c: added }));
}
