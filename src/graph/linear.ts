/**
 * A linear layer with its LoRA port: y = W x + bias + ((x Aᵀ) ⊙ mask) B.
 *
 * The weight is used as the checkpoint stores it, [out, in]. What is added to the product goes in as the C of a Gemm, so
 * neither bias, delta nor residual costs an operator of its own. With R = 0 the inner products are empty and the delta
 * is exactly C.
 */
import { hasBias } from '../formats/checkpoint/modules.js';
import { DataType } from '../formats/onnx/model.js';
import { rankDimension, type Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { Add, Gemm, Mul } from './ops.js';
import { loraA, loraB } from './ports.js';

export interface LinearOptions {
  /** Added to the result: [N, out], the residual stream. */
  residual?: Value;
  /** The tensor of the weight, where it isn't the module's own (a tied lm_head). */
  weight?: string;
}

/** x: [N, in] → [N, out] */
export function linear(d: Decoder, name: string, x: Value, options: LinearOptions = {}): Value {
  const g = d.graph;
  const module = d.module(name);
  const { inFeatures, outFeatures, projection } = module;
  return g.within(name, () => {
    const weight = d.weights.float32(options.weight ?? `${name}.weight`, [outFeatures, inFeatures]);
    const bias = hasBias(d.config, projection) ? d.weights.float32(`${name}.bias`, [outFeatures]) : undefined;
    const a = g.input(loraA(name), DataType.float32, [rankDimension(projection), inFeatures]);
    const b = g.input(loraB(name), DataType.float32, [rankDimension(projection), outFeatures]);
    const gated = Mul(g, Gemm(g, x, a, { transB: true }), d.loraMask(module));
    const added = bias && options.residual ? Add(g, options.residual, bias) : (bias ?? options.residual);
    const delta = Gemm(g, gated, b, { c: added });
    return Gemm(g, x, weight, { transB: true, c: delta });
  });
}
