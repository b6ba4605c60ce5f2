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
  /** Whatever the rank: the operators and inputs of a graph that has the port, instead of one that hasn't. */
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

export interface PlannedBatch {
  batch: PlanBatch;
  plan: PortPlan;
}

/** `beside`: what is computed in the same run, and is planned already. The two have slots of their own, and share the shared port. */
export type PortPlanner = (batch: PlanBatch, beside?: PlannedBatch) => PortPlan;

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
  (batch, beside) => {
    const nodes = nodesOf(batch);
    const others = beside === undefined ? NO_OTHERS : othersOf(beside);
    let best = new Set<string>();
    let lowest = portCost(batch, best, costs, others, nodes);
    const tryPlan = (plan: Set<string>): boolean => {
      if (slotFloats(batch, plan) > batch.slotBudget) return false;
      const cost = portCost(batch, plan, costs, others, nodes);
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

/** What of a run's ports is there whatever a batch puts into them. */
interface OtherPorts {
  shared: ReadonlySet<string>;
  sharedFloats: number;
  /** Whether it has slots, so that their operators run in any case. */
  hasSlots: boolean;
  /** Of all rows. */
  tokens: number;
}

const NO_OTHERS: OtherPorts = { shared: new Set(), sharedFloats: 0, hasSlots: false, tokens: 0 };

function othersOf({ batch, plan }: PlannedBatch): OtherPorts {
  const nodes = nodesOf(batch).filter(({ digest }) => !plan.has(digest));
  return {
    shared: new Set(nodes.map(({ digest }) => digest)),
    sharedFloats: nodes.reduce((sum, { floats }) => sum + floats, 0),
    hasSlots: plan.size > 0,
    tokens: batch.rows.length * batch.tokens,
  };
}

/** Of a run's ports, in nanoseconds; without the slots of `others`, with which it shares the shared port. */
export function portCost(
  batch: PlanBatch,
  plan: PortPlan,
  costs: PortCosts,
  others: OtherPorts = NO_OTHERS,
  nodes: readonly PlanNode[] = nodesOf(batch),
): number {
  const { rows, tokens, layers } = batch;
  let floats = others.sharedFloats;
  for (const node of nodes) if (!plan.has(node.digest) && !others.shared.has(node.digest)) floats += node.floats;
  // A graph with slots has shared ports, too.
  const hasPorts = floats > 0 || plan.size > 0 || others.hasSlots;
  const operators = hasPorts ? layers * costs.shared.layer : 0;
  const shared = operators + floatCost(costs.shared, floats, others.tokens + rows.length * tokens);
  return shared + slotCost(batch, plan, costs, others.hasSlots, nodes);
}

function slotCost(
  batch: PlanBatch,
  plan: PortPlan,
  { slot }: PortCosts,
  hasSlots: boolean,
  nodes: readonly PlanNode[] = nodesOf(batch),
): number {
  if (plan.size === 0) return 0;
  let filled = 0;
  for (const { digest, floats, users } of nodes) if (plan.has(digest)) filled += floats * users;
  const operators = hasSlots ? 0 : batch.layers * slot.layer;
  return operators + floatCost(slot, slotFloats(batch, plan), batch.tokens) + (filled * slot.fill) / batch.lifetime;
}

function floatCost({ read, multiply }: PortCost, floats: number, tokens: number): number {
  return floats * (read + tokens * multiply);
}

/**
 * Whether one run for two batches costs less than one for each. It reads the weights and runs the operators once, but the
 * shared port multiplies each of its nodes with the tokens of both. `second` is planned beside the first.
 */
export function joinsRuns(costs: PortCosts, first: PlannedBatch, second: PlannedBatch, weights: number): boolean {
  const ofFirst = slotCost(first.batch, first.plan, costs, false);
  const together = ofFirst + portCost(second.batch, second.plan, costs, othersOf(first));
  const apart = portCost(first.batch, first.plan, costs) + portCost(second.batch, EVERYTHING_SHARED, costs);
  return together - apart < weights * costs.shared.read + first.batch.layers * costs.run;
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
