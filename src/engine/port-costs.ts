/** What the planner of LoRA ports counts with. */
import type { PortCosts } from './port-plan.js';

export const PORT_COSTS: PortCosts = {
  shared: { layer: 12_000, read: 0.4, multiply: 0.03 },
  slot: { layer: 12_000, read: 0.4, multiply: 0.03, fill: 1 },
};
