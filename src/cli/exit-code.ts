/** What the process ends with, by what went wrong. These numbers are documented, and scripts rely on them. */
import { CommanderError } from 'commander';
import { ApiError } from './api-error.js';
import { CancelledError, NoKeyError, UsageError } from './errors.js';

export const EXIT = {
  ok: 0,
  /** The service refused or failed. */
  failed: 1,
  /** The command line makes no sense, or names a file that can't be read. */
  usage: 2,
  /** Nothing answers at the URL, or the connection broke. */
  unreachable: 3,
  /** No key, or one that the service doesn't accept for this. */
  denied: 4,
  /** There is no such model, node, revision or path. */
  notFound: 5,
  /** Somebody changed it since the version that was given with --if-version. */
  conflict: 6,
  /** The service is overloaded, limits the key's rate, or lacks its database: the same command may work later. */
  later: 7,
  /** Ctrl-C: 128 + SIGINT. */
  cancelled: 130,
} as const;

const BY_STATUS: Record<number, number> = {
  401: EXIT.denied,
  403: EXIT.denied,
  404: EXIT.notFound,
  412: EXIT.conflict,
  429: EXIT.later,
  503: EXIT.later,
};

export function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof NoKeyError) return EXIT.denied;
  if (error instanceof CancelledError) return EXIT.cancelled;
  if (!(error instanceof ApiError)) return EXIT.failed;
  return error.status === null ? EXIT.unreachable : (BY_STATUS[error.status] ?? EXIT.failed);
}
