/** Properties of the split of nodes between the LoRA ports, against trying every split there is. */
import fc from 'fast-check';
import { PORT_COSTS } from '../../../src/engine/port-costs.js';
import {
  joinsRuns,
  planByCost,
  type PlanBatch,
  planPrivate,
  planShared,
  portCost,
  type PortCosts,
  slotFloats,
} from '../../../src/engine/port-plan.js';

const WIDTHS = [100_000, 70_000, 70_000, 0];
const byCost = planByCost(PORT_COSTS);

function batchOf(rows: readonly (readonly string[])[], ranks: Readonly<Record<string, readonly number[]>>): PlanBatch {
  const ranksOf = (digest: string) => ranks[digest] ?? WIDTHS.map(() => 8);
  return { rows, tokens: 1, ranksOf, widths: WIDTHS, layers: 30, slotBudget: Infinity, lifetime: 32 };
}

/** Sixteen leaves under four branches under one trunk. */
const TREE = Array.from({ length: 16 }, (_, i) => ['trunk', `branch-${i % 4}`, `leaf-${i}`]);

const NODES = ['a', 'b', 'c', 'd', 'e'];
const rank = fc.constantFrom(0, 1, 8, 64);
const anyBatch = fc
  .record({
    rows: fc.array(fc.array(fc.constantFrom(...NODES), { maxLength: 3 }), { minLength: 1, maxLength: 6 }),
    ranks: fc.array(fc.tuple(rank, rank, rank, rank), { minLength: NODES.length, maxLength: NODES.length }),
    tokens: fc.constantFrom(1, 2, 40),
    layers: fc.constantFrom(1, 30),
    slotBudget: fc.constantFrom(0, 5_000_000, Infinity),
    lifetime: fc.constantFrom(1, 32),
  })
  .map(({ rows, ranks, ...rest }): PlanBatch => {
    const byDigest = new Map(NODES.map((digest, i) => [digest, ranks[i]!]));
    return { rows, ranksOf: (digest) => byDigest.get(digest)!, widths: WIDTHS, ...rest };
  });
const anyCosts = fc
  .tuple(...Array.from({ length: 7 }, () => fc.double({ min: 0, max: 2, noNaN: true })))
  .map(([a, b, c, d, e, f, fill]): PortCosts => ({
    shared: { layer: a! * 20_000, read: b!, multiply: c! },
    slot: { layer: d! * 20_000, read: e!, multiply: f!, fill: fill! },
    run: 0,
  }));

function allPlans(batch: PlanBatch): Set<string>[] {
  const nodes = [...new Set(batch.rows.flat())];
  return Array.from({ length: 2 ** nodes.length }, (_, bits) => new Set(nodes.filter((_, i) => (bits >> i) & 1)));
}

test('only nodes of the batch that have ranks for a private port are ever in one, and never more than fit', () => {
  fc.assert(
    fc.property(anyBatch, anyCosts, (batch, costs) => {
      for (const planner of [planByCost(costs), planPrivate]) {
        const plan = planner(batch);
        expect(slotFloats(batch, plan)).toBeLessThanOrEqual(batch.slotBudget);
        for (const digest of plan) {
          expect(batch.rows.flat()).toContain(digest);
          expect(batch.ranksOf(digest).some((rank, p) => rank > 0 && WIDTHS[p]! > 0)).toBe(true);
        }
      }
    }),
  );
});

test('what is chosen is never dearer than a port alone, nor than moving any one node', () => {
  fc.assert(
    fc.property(anyBatch, anyCosts, (batch, costs) => {
      const plan = planByCost(costs)(batch);
      const cost = portCost(batch, plan, costs) * (1 - 1e-9);
      expect(cost).toBeLessThanOrEqual(portCost(batch, planShared(batch), costs));
      expect(cost).toBeLessThanOrEqual(portCost(batch, planPrivate(batch), costs));
      for (const digest of new Set(batch.rows.flat())) {
        const moved = new Set(plan);
        if (!moved.delete(digest)) moved.add(digest);
        if (slotFloats(batch, moved) > batch.slotBudget) continue;
        expect(cost).toBeLessThanOrEqual(portCost(batch, moved, costs));
      }
    }),
  );
});

test('of all splits of a small batch the one that is found costs at most a fifth more than the cheapest', () => {
  const anyTree = fc.array(fc.record({ branch: fc.nat(1), leaf: fc.nat(3) }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(anyTree, fc.constantFrom(1, 8, 64), (leaves, rank) => {
      const rows = leaves.map(({ branch, leaf }) => ['trunk', `branch-${branch}`, `leaf-${leaf}`]);
      const batch = batchOf(rows, { trunk: [rank, rank, rank, 0] });
      const cheapest = Math.min(...allPlans(batch).map((plan) => portCost(batch, plan, PORT_COSTS)));
      expect(portCost(batch, byCost(batch), PORT_COSTS)).toBeLessThanOrEqual(1.2 * cheapest);
    }),
  );
});

test('sixteen paths of a tree: leaves go to slots, what is above them is shared', () => {
  const plan = byCost(batchOf(TREE, {}));
  expect([...plan].sort()).toEqual(TREE.map(([, , leaf]) => leaf).sort());
});

test('a leaf that is much wider than the others stays shared, because it would widen every slot', () => {
  const plan = byCost(batchOf(TREE, { 'leaf-3': [256, 256, 256, 0] }));
  expect(plan.has('leaf-3')).toBe(false);
  expect(plan.has('leaf-4')).toBe(true);
});

test('rows that all take one path share it', () => {
  expect(byCost(batchOf(Array(16).fill(TREE[0]), {})).size).toBe(0);
});

test('a prompt that is run once is not worth copying for', () => {
  expect(byCost({ ...batchOf([TREE[0]!], {}), tokens: 64, lifetime: 1 }).size).toBe(0);
});

test('a batch without adapters has nothing to split', () => {
  expect(byCost(batchOf([[], []], {})).size).toBe(0);
  expect(planPrivate(batchOf([], {})).size).toBe(0);
});

describe('two batches in one run', () => {
  const decoding = batchOf(TREE, {});
  const prompt = (tokens: number): PlanBatch => ({ ...batchOf([['trunk', 'branch-0', 'leaf-0']], {}), tokens });
  const joins = (tokens: number, floats: number, batch = decoding): boolean => {
    const first = { batch, plan: byCost(batch) };
    const second = prompt(tokens);
    return joinsRuns(PORT_COSTS, first, { batch: second, plan: byCost(second, first) }, floats);
  };

  test('a prompt has in slots what the rows beside it do not share', () => {
    const first = { batch: decoding, plan: byCost(decoding) };
    expect([...byCost(prompt(32), first)]).toEqual(['leaf-0']);
    expect(byCost(prompt(32), { batch: decoding, plan: planShared(decoding) }).size).toBe(0);
  });

  test('cost less than two where the weights are large, or the adapters few', () => {
    expect(joins(8, 100e6)).toBe(true);
    expect(joins(128, 100e6, batchOf([['trunk', 'branch-0', 'leaf-0']], {}))).toBe(true);
    expect(joins(128, 1e12)).toBe(true);
  });

  test('cost more where a long chunk would be multiplied with the nodes of all rows', () => {
    expect(joins(512, 100e6)).toBe(false);
    expect(joins(128, 1e6)).toBe(false);
  });
});
