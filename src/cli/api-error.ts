/** What the service answered when it refused, and that it couldn't be reached. */
import { z } from 'zod';

const errorBody = z.object({
  error: z.object({ message: z.string(), code: z.string().nullish(), details: z.unknown().optional() }),
});

export class ApiError extends Error {
  override readonly name: string = 'ApiError';

  constructor(
    message: string,
    readonly code: string,
    /** HTTP status; null where nothing answered. */
    readonly status: number | null,
    /** The particulars, for programs. */
    readonly details?: unknown,
  ) {
    super(message);
  }

  /** The error in a body or in an event of a stream; null if it holds none. */
  static from(json: unknown, status: number): ApiError | null {
    const parsed = errorBody.safeParse(json);
    if (!parsed.success) return null;
    const { message, code, details } = parsed.data.error;
    return new ApiError(message, code ?? 'unknown', status, details);
  }
}

/** Codes that say that there was no connection at all, rather than one that broke. */
const NOBODY_THERE = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|CONNECT_TIMEOUT)$/;

export class ConnectionError extends ApiError {
  override readonly name = 'ConnectionError';

  constructor(url: string, cause: unknown) {
    const { reason, code } = reasonOf(cause);
    const message = NOBODY_THERE.test(code)
      ? `Nothing answers at ${url} (${reason}). Is the service running (npm start)?`
      : `The connection to ${url} broke (${reason}).`;
    super(message, NOBODY_THERE.test(code) ? 'unreachable' : 'connection_broken', null);
  }
}

/** A name with two addresses fails with both reasons. */
function reasonOf(error: unknown): { reason: string; code: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return { reason: String(error), code: '' };
  return { reason: error.message, code: 'code' in error ? String(error.code) : '' };
}
