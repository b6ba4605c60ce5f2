/** Ctrl-C as an AbortSignal: what runs is cancelled, at the service too. A second Ctrl-C ends the process at once. */
import { CancelledError } from './errors.js';

let signal: AbortSignal | null = null;

export function interrupted(): AbortSignal {
  if (signal) return signal;
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort(new CancelledError('Cancelled.')));
  return (signal = controller.signal);
}
