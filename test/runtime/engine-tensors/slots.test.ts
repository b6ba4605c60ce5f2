/** What private slots hold, whoever comes and goes: each row's own ranks, weights folded in, and zeros. */
import fc from 'fast-check';
import type { ModelConfig } from '../../../src/formats/checkpoint/model-config.js';
import { linearModules, type Projection, PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import { type SlotSource, Slots, type SlotUse } from '../../../src/engine/slots.js';
import { PORT_GROUPS, type PortGroup } from '../../../src/graph/port-groups.js';
import { slotA, slotB, slotRanks } from '../../../src/graph/ports.js';

const CONFIG = {
  modelType: 'llama',
  vocabSize: 7,
  hiddenSize: 4,
  intermediateSize: 6,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 2,
} as ModelConfig;
const modules = linearModules(CONFIG).filter(({ name }) => name !== 'lm_head');

/** Rank of each node, by projection. */
const RANKS: Readonly<Record<string, Partial<Record<Projection, number>>>> = {
  all: { q_proj: 2, k_proj: 2, v_proj: 2, o_proj: 2, gate_proj: 2, up_proj: 2, down_proj: 2 },
  attention: { q_proj: 3, v_proj: 1 },
  mlp: { gate_proj: 1, up_proj: 4, down_proj: 2 },
  head: { lm_head: 5 },
};

/** A number that says whose it is. */
function mark(digest: string, part: 'a' | 'b', module: number, element: number): number {
  return (Object.keys(RANKS).indexOf(digest) + 1) * 1000 + (part === 'a' ? 0 : 500) + module * 30 + element;
}

const SOURCE: SlotSource = {
  ranksOf: (digest) => PROJECTIONS.map((projection) => RANKS[digest]?.[projection] ?? 0),
  rowsOf(projection, layer, digest) {
    const rank = RANKS[digest]?.[projection] ?? 0;
    if (rank === 0) return undefined;
    const module = moduleOf(projection, layer);
    const { inFeatures, outFeatures } = modules[module]!;
    const a = new Float32Array(rank * inFeatures).map((_, i) => mark(digest, 'a', module, i));
    const b = new Float32Array(rank * outFeatures).map((_, i) => mark(digest, 'b', module, i));
    return { rank, a, b };
  },
};

function moduleOf(projection: Projection, layer: number): number {
  const name = modules.filter((each) => each.projection === projection)[layer]!.name;
  return modules.findIndex((each) => each.name === name);
}

/** The naive way: all slots from nothing. → input name → dims and numbers */
function expected(rows: readonly (readonly SlotUse[])[]): Map<string, { dims: number[]; data: number[] }> {
  const inputs = new Map<string, { dims: number[]; data: number[] }>();
  const rankOf = (uses: readonly SlotUse[], projection: Projection) =>
    uses.reduce((sum, { digest }) => sum + (RANKS[digest]?.[projection] ?? 0), 0);
  const widest = (projection: Projection) => Math.max(0, ...rows.map((uses) => rankOf(uses, projection)));
  for (let layer = 0; layer < CONFIG.layers; layer++) {
    for (const [group, projections] of Object.entries(PORT_GROUPS) as [PortGroup, readonly Projection[]][]) {
      const a: number[] = [];
      for (const uses of rows) {
        for (const projection of projections) {
          const { inFeatures } = modules[moduleOf(projection, layer)]!;
          const own = uses.flatMap(({ digest }) => [...(SOURCE.rowsOf(projection, layer, digest)?.a ?? [])]);
          a.push(...own, ...Array<number>(widest(projection) * inFeatures - own.length).fill(0));
        }
      }
      const { inFeatures } = modules[moduleOf(projections[0]!, layer)]!;
      const ranks = projections.map(widest);
      const total = ranks.reduce((sum, rank) => sum + rank, 0);
      inputs.set(slotA(layer, group), { dims: [rows.length, total, inFeatures], data: a });
      if (ranks.length > 1) inputs.set(slotRanks(group), { dims: [ranks.length], data: ranks });
      for (const projection of projections) {
        const { name, outFeatures } = modules[moduleOf(projection, layer)]!;
        const b = rows.flatMap((uses) => {
          const own = uses.flatMap(({ digest, weight }) =>
            [...(SOURCE.rowsOf(projection, layer, digest)?.b ?? [])].map((value) => value * weight),
          );
          return [...own, ...Array<number>(widest(projection) * outFeatures - own.length).fill(0)];
        });
        inputs.set(slotB(name), { dims: [rows.length, widest(projection), outFeatures], data: b });
      }
    }
  }
  return inputs;
}

function expectFed(slots: Slots, rows: readonly (readonly SlotUse[])[]): void {
  const fed = slots.feed(rows, SOURCE);
  const wanted = expected(rows);
  expect(fed.map(([name]) => name).sort()).toEqual([...wanted.keys()].sort());
  for (const [name, { dims, data }] of fed) {
    expect(dims).toEqual(wanted.get(name)!.dims);
    expect(Array.from(data as ArrayLike<number | bigint>, Number)).toEqual(wanted.get(name)!.data);
  }
}

const use = (digest: string, weight = 1): SlotUse => ({ digest, weight });

test('any rows in any order, one batch after the other', () => {
  const anyRow = fc.array(
    fc.record({ digest: fc.constantFrom(...Object.keys(RANKS)), weight: fc.constantFrom(1, 0.5, -2) }),
    { maxLength: 3 },
  );
  const batches = fc.array(fc.array(anyRow, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(batches, (all) => {
      const slots = new Slots(CONFIG);
      for (const rows of all) expectFed(slots, rows);
    }),
    { numRuns: 60 },
  );
});

test('a row that stays where it is is not written again; nor is anything fed in other tensors', () => {
  let reads = 0;
  const counting: SlotSource = {
    ...SOURCE,
    rowsOf: (...where) => {
      reads++;
      return SOURCE.rowsOf(...where);
    },
  };
  const slots = new Slots(CONFIG);
  const first = slots.feed([[use('all')], [use('all', 0.5)]], counting);
  const after = reads;
  expect(slots.feed([[use('all')], [use('all', 0.5)]], counting)).toBe(first);
  expect(reads).toBe(after);
  slots.feed([[use('all')], [use('all', 2)]], counting);
  expect(reads).toBe(after + after / 2);
});

test('slots of rank 0 take no memory, and those that get narrower give it back', () => {
  const slots = new Slots(CONFIG);
  expectFed(slots, [[], [use('head')]]);
  expect(slots.bytes).toBe(0);
  expectFed(slots, [[use('all'), use('all', 2), use('all', 3)], []]);
  const wide = slots.bytes;
  expectFed(slots, [[use('mlp')], []]);
  expect(slots.bytes).toBeLessThan(wide / 2);
});
