/** What the process ends with, by what went wrong. These numbers are documented, and scripts rely on them. */
import { CommanderError } from 'commander';
import { ApiError } from './api-client.js';
import { CancelledError, NoKeyError, UsageError } from './errors.js';

export const EXIT = {
  ok: 0,
  /** The service refused or failed. */
  failed: 1,
  /** The command line makes no sense, or names a file that can't be read. */
  usage: 2,
  /** Nothing answers at the URL. */
  unreachable: 3,
  /** No key, or one that the service doesn't accept for this. */
  denied: 4,
  /** There is no such model, node, revision or path. */
  notFound: 5,
  /** Ctrl-C: 128 + SIGINT. */
  cancelled: 130,
} as const;

export function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof NoKeyError) return EXIT.denied;
  if (error instanceof CancelledError) return EXIT.cancelled;
  if (!(error instanceof ApiError)) return EXIT.failed;
  if (error.status === null) return EXIT.unreachable;
  if (error.status === 401 || error.status === 403) return EXIT.denied;
  return error.status === 404 ? EXIT.notFound : EXIT.failed;
}
