/** Where a session runs whose weights are its own and whose feeds lie in the CPU's memory: the CPU, or CUDA if asked for. */
import type { ExecutionDevice } from './ort.js';
import type { EngineLimits } from './protocol.js';

export function sessionDevice({ device }: Pick<EngineLimits, 'device'>): ExecutionDevice {
  return device === 'cuda' ? 'cuda' : 'cpu';
}
