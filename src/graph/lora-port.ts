/** The LoRA ports of a linear; `ports.ts` says what they compute. At rank 0 a port adds zeros. */
import type { LinearModule } from '../formats/checkpoint/modules.js';
import { DataType } from '../formats/onnx/model.js';
import { rankDimension, slotDimension, type Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { Gemm, MatMul, Mul, Reshape, Split, Transpose } from './ops.js';
import { PORT_GROUPS, type PortGroup } from './port-groups.js';
import { loraA, loraB, slotA, slotB, slotRanks } from './ports.js';

/**
 * The shared port: ((x Aᵀ) ⊙ mask) B + added, in the type of rank rows. x: [N, in], added: [N, out] or [out] → [N, out];
 * without ports, what is added.
 */
export function sharedDelta(d: Decoder, module: LinearModule, x: Value, added?: Value): Value | undefined {
  if (d.options.lora === 'none') return added;
  const g = d.graph;
  const { name, inFeatures, outFeatures, projection } = module;
  const a = g.input(loraA(name), d.narrow.type, [rankDimension(projection), inFeatures]);
  const b = g.input(loraB(name), d.narrow.type, [rankDimension(projection), outFeatures]);
  const gated = Mul(g, Gemm(g, x, a, { transB: true }), d.loraMask(module));
  return Gemm(g, gated, b, { c: added });
}

/** x_s A_sᵀ of the private ports of a group, [slots, N / slots, P] each, in the group's order. x: [N, in] */
export function slotProducts(d: Decoder, layer: number, group: PortGroup, x: Value): readonly Value[] {
  if (d.options.lora !== 'ports') return [];
  const g = d.graph;
  const projections = PORT_GROUPS[group];
  const { inFeatures } = d.layerModule(layer, projections[0]);
  return g.within(`model.layers.${layer}.${group}`, () => {
    const a = g.input(slotA(layer, group), DataType.float32, ['slots', `P.${group}`, inFeatures]);
    const perSlot = Reshape(g, x, d.slotShape(a, inFeatures));
    // The runtime fuses the two for the CPU. A is kept in rows, because that is how adapters are copied into it.
    const product = MatMul(g, perSlot, Transpose(g, a, [0, 2, 1]));
    if (projections.length === 1) return [product];
    const ranks = d.once(slotRanks(group), () => g.input(slotRanks(group), DataType.int64, [projections.length]));
    return Split(g, product, ranks, 2, projections.length);
  });
}

/** The private port from its product with A. product: [slots, N / slots, P] → [N, out] */
export function slotDelta(d: Decoder, { name, projection, outFeatures }: LinearModule, product: Value): Value {
  const g = d.graph;
  const b = g.input(slotB(name), DataType.float32, ['slots', slotDimension(projection), outFeatures]);
  return Reshape(g, MatMul(g, product, b), g.int64s(-1, outFeatures));
}
