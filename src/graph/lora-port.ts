/**
 * The LoRA port of a linear: ((x Aᵀ) ⊙ mask) B. With R = 0 the inner products are empty, and the delta is exactly what
 * is added to it.
 */
import type { LinearModule } from '../formats/checkpoint/modules.js';
import { DataType } from '../formats/onnx/model.js';
import { rankDimension, type Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { Gemm, Mul } from './ops.js';
import { loraA, loraB } from './ports.js';

/** x: [N, in], added: [N, out] or [out] → [N, out]; without ports, what is added. */
export function loraDelta(d: Decoder, module: LinearModule, x: Value, added?: Value): Value | undefined {
  if (d.options.lora === 'none') return added;
  const g = d.graph;
  const { name, inFeatures, outFeatures, projection } = module;
  const a = g.input(loraA(name), DataType.float32, [rankDimension(projection), inFeatures]);
  const b = g.input(loraB(name), DataType.float32, [rankDimension(projection), outFeatures]);
  const gated = Mul(g, Gemm(g, x, a, { transB: true }), d.loraMask(module));
  return Gemm(g, gated, b, { c: added });
}
