/**
 * The private slots of one batch: A and B of what each row alone uses, one row's behind the other's, as the private LoRA
 * ports are fed them (`graph/ports.ts`).
 *
 * A slot is written when its row comes, or comes to lie elsewhere, and stays until another takes its place; what it holds
 * is known by digests and weights. All slots are as wide as the widest, so another width writes all of them anew.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { linearModules, type Projection, PROJECTIONS } from '../formats/checkpoint/modules.js';
import { GROUP_NAMES, PORT_GROUPS, type PortGroup } from '../graph/port-groups.js';
import { slotA, slotB, slotRanks } from '../graph/ports.js';
import { float32, type InputTensor, int64 } from './ort.js';
import type { AdapterUse } from './protocol.js';

/** Where the rows are copied from. */
export interface SlotSource {
  ranksOf(digest: string): readonly number[];
  rowsOf(
    projection: Projection,
    layer: number,
    digest: string,
  ): { rank: number; a: Float32Array; b: Float32Array } | undefined;
}

export type SlotUse = Pick<AdapterUse, 'digest' | 'weight'>;
export type SlotTensors = readonly (readonly [string, InputTensor])[];

interface GroupSlots {
  layer: number;
  group: PortGroup;
  inFeatures: number;
  /** [slots, ΣP, in] */
  a: Float32Array;
  members: ModuleSlots[];
}

interface ModuleSlots {
  name: string;
  projection: Projection;
  outFeatures: number;
  /** [slots, P, out] */
  b: Float32Array;
}

export class Slots {
  readonly #groups: GroupSlots[];
  /** P by projection. */
  #ranks: readonly number[] = PROJECTIONS.map(() => 0);
  #capacity = 0;
  /** What each slot holds; of a slot that must be written, nothing that could be asked for. */
  #held: string[] = [];
  #fed: { rows: number; tensors: SlotTensors } | null = null;

  constructor(config: ModelConfig) {
    const modules = linearModules(config);
    this.#groups = Array.from({ length: config.layers }, (_, layer) =>
      GROUP_NAMES.map((group) => {
        const members = PORT_GROUPS[group].flatMap((projection: Projection) => {
          const module = modules.filter((each) => each.projection === projection)[layer];
          return module === undefined ? [] : [{ ...module, b: new Float32Array(0) }];
        });
        return { layer, group, inFeatures: members[0]?.inFeatures ?? 0, a: new Float32Array(0), members };
      }),
    ).flat();
  }

  get bytes(): number {
    const floats = this.#groups.reduce(
      (sum, { a, members }) => members.reduce((all, { b }) => all + b.length, sum + a.length),
      0,
    );
    return floats * Float32Array.BYTES_PER_ELEMENT;
  }

  /** What each row of a run finds in its slot, in the order of the batch. */
  feed(rows: readonly (readonly SlotUse[])[], source: SlotSource): SlotTensors {
    this.#widen(rows, source);
    for (const [slot, uses] of rows.entries()) {
      const wanted = uses.map(({ digest, weight }) => `${digest}:${weight}`).join();
      if (this.#held[slot] === wanted) continue;
      for (const group of this.#groups) this.#write(group, slot, uses, source);
      this.#held[slot] = wanted;
    }
    if (this.#fed?.rows !== rows.length) this.#fed = { rows: rows.length, tensors: this.#tensors(rows.length) };
    return this.#fed.tensors;
  }

  #widen(rows: readonly (readonly SlotUse[])[], source: SlotSource): void {
    const ranks = PROJECTIONS.map(() => 0);
    for (const uses of rows) {
      const own = PROJECTIONS.map(() => 0);
      for (const { digest } of uses) {
        for (const [p, rank] of source.ranksOf(digest).entries()) own[p] = (own[p] ?? 0) + rank;
      }
      for (const [p, rank] of own.entries()) ranks[p] = Math.max(ranks[p] ?? 0, rank);
    }
    const sameRanks = ranks.every((rank, p) => rank === this.#ranks[p]);
    if (sameRanks && rows.length <= this.#capacity) return;
    if (rows.length > this.#capacity) this.#capacity = 2 ** Math.ceil(Math.log2(rows.length));
    this.#ranks = ranks;
    this.#fed = null;
    this.#held = [];
    for (const group of this.#groups) {
      group.a = atLeast(group.a, this.#capacity * this.#rankOf(group) * group.inFeatures);
      for (const module of group.members) {
        module.b = atLeast(module.b, this.#capacity * this.#rank(module.projection) * module.outFeatures);
      }
    }
  }

  #write(
    { layer, inFeatures, a, members }: GroupSlots,
    slot: number,
    uses: readonly SlotUse[],
    source: SlotSource,
  ): void {
    let atA = slot * this.#rankOf({ members }) * inFeatures;
    for (const { projection, outFeatures, b } of members) {
      const rank = this.#rank(projection);
      const [endA, endB] = [atA + rank * inFeatures, (slot + 1) * rank * outFeatures];
      let atB = slot * rank * outFeatures;
      for (const { digest, weight } of uses) {
        const rows = source.rowsOf(projection, layer, digest);
        if (rows === undefined) continue;
        a.set(rows.a, atA);
        if (weight === 1) b.set(rows.b, atB);
        else for (let i = 0; i < rows.b.length; i++) b[atB + i] = (rows.b[i] as number) * weight;
        atA += rows.rank * inFeatures;
        atB += rows.rank * outFeatures;
      }
      a.fill(0, atA, endA);
      b.fill(0, atB, endB);
      atA = endA;
    }
  }

  #tensors(rows: number): SlotTensors {
    const tensors: [string, InputTensor][] = [];
    for (const { layer, group, inFeatures, a, members } of this.#groups) {
      tensors.push([slotA(layer, group), view(a, [rows, this.#rankOf({ members }), inFeatures])]);
      for (const { name, projection, outFeatures, b } of members) {
        tensors.push([slotB(name), view(b, [rows, this.#rank(projection), outFeatures])]);
      }
    }
    for (const group of GROUP_NAMES) {
      const ranks = PORT_GROUPS[group].map((projection: Projection) => BigInt(this.#rank(projection)));
      if (ranks.length > 1) tensors.push([slotRanks(group), int64(BigInt64Array.from(ranks), [ranks.length])]);
    }
    return tensors;
  }

  #rank(projection: Projection): number {
    return this.#ranks[PROJECTIONS.indexOf(projection)] ?? 0;
  }

  /** ΣP */
  #rankOf({ members }: Pick<GroupSlots, 'members'>): number {
    return members.reduce((sum, { projection }) => sum + this.#rank(projection), 0);
  }
}

/** Its first elements, as many as the shape says. */
function view(array: Float32Array, dims: readonly number[]): InputTensor {
  return float32(
    array.subarray(
      0,
      dims.reduce((product, size) => product * size, 1),
    ),
    dims,
  );
}

/** What it holds is not kept. Much less than there is lets memory go. */
function atLeast(array: Float32Array, length: number): Float32Array {
  return array.length >= length && array.length <= 2 * length ? array : new Float32Array(length);
}
