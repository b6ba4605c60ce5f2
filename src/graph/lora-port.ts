/** The LoRA ports of a linear; `ports.ts` says what they compute. At rank 0 a port adds zeros. */
import type { LinearModule } from '../formats/checkpoint/modules.js';
import { DataType } from '../formats/onnx/model.js';
import { rankDimension, slotDimension, type Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import { Concat, Gemm, MatMul, Mul, Reshape, Split, Transpose } from './ops.js';
import { PORT_GROUPS, type PortGroup } from './port-groups.js';
import { beside, loraA, loraB, slotA, slotB, slotRanks } from './ports.js';

/**
 * The shared port: ((x Aᵀ) ⊙ mask) B + added, in the type of rank rows; (x Aᵀ) B + added where all rows take one path. x: [N, in], added: [N, out] or [out] → [N, out];
 * without ports, what is added.
 */
export function sharedDelta(d: Decoder, module: LinearModule, x: Value, added?: Value): Value | undefined {
  if (d.options.lora === 'none') return added;
  const g = d.graph;
  const { name, inFeatures, outFeatures, projection } = module;
  const a = g.input(loraA(name), d.narrow.type, [rankDimension(projection), inFeatures]);
  const b = g.input(loraB(name), d.narrow.type, [rankDimension(projection), outFeatures]);
  const product = Gemm(g, x, a, { transB: true });
  const gated = d.options.lora === 'path' ? product : Mul(g, product, d.loraMask(module));
  return Gemm(g, gated, b, { c: added });
}

/** Of the parts of a run: x_s A_sᵀ of one private port, [slots, N / slots, P] each. */
export type SlotProduct = readonly Value[];

/** The products of the private ports of a group, in the group's order. x: [N, in] */
export function slotProducts(d: Decoder, layer: number, group: PortGroup, x: Value): readonly SlotProduct[] {
  if (d.options.lora !== 'ports') return [];
  const g = d.graph;
  const projections = PORT_GROUPS[group];
  const { inFeatures } = d.layerModule(layer, projections[0]);
  return g.within(`model.layers.${layer}.${group}`, () => {
    const byPart = ofParts(d, x).map((own, part) => {
      const named = nameOfPart(part);
      const a = g.input(named(slotA(layer, group)), DataType.float32, [
        named('slots'),
        named(`P.${group}`),
        inFeatures,
      ]);
      const perSlot = Reshape(g, own, d.slotShape(part, a, inFeatures));
      // The runtime fuses the two for the CPU. A is kept in rows, because that is how adapters are copied into it.
      const product = MatMul(g, perSlot, Transpose(g, a, [0, 2, 1]));
      if (projections.length === 1) return [product];
      const name = named(slotRanks(group));
      const ranks = d.once(name, () => g.input(name, DataType.int64, [projections.length]));
      return Split(g, product, ranks, 2, projections.length);
    });
    return projections.map((_, i) => byPart.flatMap((products) => products[i] ?? []));
  });
}

/** The private port from its product with A. → [N, out] */
export function slotDelta(d: Decoder, { name, projection, outFeatures }: LinearModule, product: SlotProduct): Value {
  const g = d.graph;
  const deltas = product.map((own, part) => {
    const named = nameOfPart(part);
    const shape = [named('slots'), named(slotDimension(projection)), outFeatures];
    const b = g.input(named(slotB(name)), DataType.float32, shape);
    return Reshape(g, MatMul(g, own, b), g.int64s(-1, outFeatures));
  });
  const [only] = deltas;
  return deltas.length === 1 && only !== undefined ? only : Concat(g, deltas, 0);
}

/** The tokens of each part of a run. x: [N, in] */
function ofParts(d: Decoder, x: Value): readonly Value[] {
  const second = d.parts?.second;
  return second === undefined ? [x] : Split(d.graph, x, second.tokens, 0);
}

const nameOfPart = (part: number): ((name: string) => string) => (part === 0 ? (name) => name : beside);
