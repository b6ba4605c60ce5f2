/**
 * What the planner of LoRA ports counts with. `npm run bench -- ports` measures these and prints what it found beside what
 * is written here. They differ between machines, but the line that they draw moves little: a node belongs in the shared
 * port from about (read + B·multiply) / read users on, which is two to four in batches of up to 16 rows.
 */
import type { PortCosts } from './port-plan.js';

export const PORT_COSTS: PortCosts = {
  shared: { layer: 70_000, read: 0.33, multiply: 0.047 },
  slot: { layer: 45_000, read: 0.43, multiply: 0.047, fill: 1 },
  run: 150_000,
};
