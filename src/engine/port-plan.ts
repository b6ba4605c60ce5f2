/**
 * Which nodes of a batch go through which LoRA port (`graph/ports.ts`). Pure arithmetic: no tensors here.
 *
 * A node in the shared port is read once, and multiplied with every row of the batch, whether on its path or not. In
 * private slots it is read once for each row, and multiplied with its own rows alone; but a slot is as wide as the widest
 * row's. So what many rows share belongs to the first and what one row uses to the second, unless its rank would widen
 * everybody's slot. The costs say where between lies the line. Nodes are tried by number of users, then one by one.
 */

/** Of a run, in nanoseconds. A float is one element of A or B. */
export interface PortCosts {
  shared: PortCost;
  slot: PortCost & {
    /** Copying a float into a slot. */
    fill: number;
  };
  /** A run however little it computes: operators and inputs, a layer. */
  run: number;
}

interface PortCost {
  /** Whatever the rank: operators that have something to do, instead of nothing. An operator's share of each layer. */
  layer: number;
  /** Reading a float. */
  read: number;
  /** Multiplying a float with one token. */
  multiply: number;
}

export interface PlanBatch {
  /** The digests on each row's path. */
  rows: readonly (readonly string[])[];
  /** T, of every row. */
  tokens: number;
  /** Of a node, by projection. */
  ranksOf: (digest: string) => readonly number[];
  /** Floats of one rank row over all modules of a projection, by projection; 0 for those without private ports. */
  widths: readonly number[];
  layers: number;
  /** Floats that the slots of this batch may hold. */
  slotBudget: number;
  /** Runs that what is copied into the slots is expected to serve. */
  lifetime: number;
}

/** The digests that go to private slots. */
export type PortPlan = ReadonlySet<string>;

export type PortPlanner = (batch: PlanBatch) => PortPlan;

export const EVERYTHING_SHARED: PortPlan = new Set();

/** Every node that can: where not all fit, those with the fewest users. */
export const planPrivate: PortPlanner = (batch) => {
  const plan = new Set<string>();
  for (const { digest } of nodesOf(batch)) {
    plan.add(digest);
    if (slotFloats(batch, plan) > batch.slotBudget) plan.delete(digest);
  }
  return plan;
};

export const planShared: PortPlanner = () => EVERYTHING_SHARED;

/** The cheapest split that is found; never dearer than either pure form. */
export const planByCost =
  (costs: PortCosts): PortPlanner =>
  (batch) => {
    const nodes = nodesOf(batch);
    let best = new Set<string>();
    let lowest = portCost(batch, best, costs, nodes);
    const tryPlan = (plan: Set<string>): boolean => {
      if (slotFloats(batch, plan) > batch.slotBudget) return false;
      const cost = portCost(batch, plan, costs, nodes);
      if (cost >= lowest) return false;
      best = plan;
      lowest = cost;
      return true;
    };
    const first = new Set<string>();
    for (const { digest } of nodes) tryPlan(new Set(first.add(digest)));
    for (let improved = nodes.length <= MAX_MOVED_NODES; improved;) {
      improved = false;
      for (const { digest } of nodes) {
        const moved = new Set(best);
        if (!moved.delete(digest)) moved.add(digest);
        improved = tryPlan(moved) || improved;
      }
    }
    return best;
  };

/** Past it, moving nodes one by one would take longer than it gains. */
const MAX_MOVED_NODES = 64;

/** Of one run, in nanoseconds. */
export function portCost(
  batch: PlanBatch,
  plan: PortPlan,
  { shared, slot }: PortCosts,
  nodes: readonly PlanNode[] = nodesOf(batch),
): number {
  const { rows, tokens, layers } = batch;
  let sharedFloats = 0;
  let filledFloats = 0;
  for (const { digest, floats, users } of nodes) {
    if (plan.has(digest)) filledFloats += floats * users;
    else sharedFloats += floats;
  }
  const inSlots = slotFloats(batch, plan);
  const cost = (port: PortCost, floats: number, tokensEach: number): number =>
    floats === 0 ? 0 : layers * port.layer + floats * (port.read + tokensEach * port.multiply);
  return (
    cost(shared, sharedFloats, rows.length * tokens) +
    cost(slot, inSlots, tokens) +
    (filledFloats * slot.fill) / batch.lifetime
  );
}

/**
 * Whether one run for two batches costs less than one for each. It reads the weights and runs the operators once, but has
 * all nodes in the shared port, which multiplies each with the tokens of both. `plan` is what the first has on its own.
 */
export function joinsRuns(
  costs: PortCosts,
  first: PlanBatch,
  plan: PortPlan,
  second: PlanBatch,
  weights: number,
): boolean {
  const apart = portCost(first, plan, costs) + portCost(second, EVERYTHING_SHARED, costs);
  const nodes = nodesOf({ ...first, rows: [...first.rows, ...second.rows] });
  const floats = nodes.reduce((sum, node) => sum + node.floats, 0);
  const tokens = first.rows.length * first.tokens + second.rows.length * second.tokens;
  const { layer, read, multiply } = costs.shared;
  const together = floats === 0 ? 0 : first.layers * layer + floats * (read + tokens * multiply);
  return together - apart < weights * read + first.layers * costs.run;
}

/** Of the slots of all rows, each as wide as the widest. */
export function slotFloats({ rows, ranksOf, widths }: PlanBatch, plan: PortPlan): number {
  return rows.length * widths.reduce((sum, width, p) => sum + width * widest(p), 0);

  function widest(p: number): number {
    return Math.max(
      0,
      ...rows.map((row) => row.reduce((sum, digest) => sum + (plan.has(digest) ? (ranksOf(digest)[p] ?? 0) : 0), 0)),
    );
  }
}

interface PlanNode {
  digest: string;
  /** Of its rank rows, once. */
  floats: number;
  /** Times that it stands on a path. */
  users: number;
}

/** Those that could be in either port; few users first, and of as many the smaller. */
function nodesOf({ rows, ranksOf, widths }: PlanBatch): PlanNode[] {
  const nodes = new Map<string, PlanNode>();
  for (const digest of rows.flat()) {
    const known = nodes.get(digest);
    if (known !== undefined) {
      known.users++;
      continue;
    }
    const floats = ranksOf(digest).reduce((sum, rank, p) => sum + rank * (widths[p] ?? 0), 0);
    nodes.set(digest, { digest, floats, users: 1 });
  }
  return [...nodes.values()]
    .filter(({ floats }) => floats > 0)
    .sort((one, other) => one.users - other.users || one.floats - other.floats);
}
