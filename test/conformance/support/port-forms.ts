/** The ways to split nodes between the LoRA ports, each of which must compute the same. */
import { PORT_COSTS } from '../../../src/engine/port-costs.js';
import { planByCost, planPrivate, planShared, type PortPlanner } from '../../../src/engine/port-plan.js';

/** Every other node in private slots, whoever uses it. */
const planMixed: PortPlanner = (batch) => {
  const nodes = [...new Set(batch.rows.flat())].sort();
  const half = new Set(nodes.filter((_, i) => i % 2 === 0));
  return new Set([...planPrivate(batch)].filter((digest) => half.has(digest)));
};

export const SHARED_PORTS: readonly [string, PortPlanner] = ['shared', planShared];
export const PORT_FORMS: readonly (readonly [string, PortPlanner])[] = [
  ['as planned', planByCost(PORT_COSTS)],
  SHARED_PORTS,
  ['private', planPrivate],
  ['mixed', planMixed],
];
