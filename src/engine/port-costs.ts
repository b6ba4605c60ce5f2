/**
 * What the planner of LoRA ports counts with. `npm run bench -- ports` measures these and prints what it found beside what
 * is written here. They differ between machines, but the line that they draw moves little: a node belongs in the shared
 * port from about (read + B·multiply) / read users on, which is two to four in batches of up to 16 rows.
 */
import type { PortCosts } from './port-plan.js';

export const PORT_COSTS: PortCosts = {
  shared: { layer: 15_000, read: 0.25, multiply: 0.055 },
  slot: { layer: 25_000, read: 0.45, multiply: 0.055, fill: 1 },
};
