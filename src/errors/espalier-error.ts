/**
 * What every error that a caller can meet is made of. The files beside this one have the classes, one file an area.
 *
 * A class takes domain objects and writes the message: what is wrong, in which thing, and what to do. `code` never
 * changes once released; clients match on it. `status` is the HTTP status that the error has on every surface.
 */

export interface ErrorShape {
  /** Stable, snake_case. */
  code: string;
  /** HTTP status. */
  status: number;
  /** Says what is wrong and what to do, and names the thing. */
  message: string;
  /** The field of the request that is at fault, if one is. */
  param?: string;
  /** Machine-readable particulars, for example the nearest names or the two numbers that don't fit. */
  details?: Record<string, unknown>;
  /** For overload: after how many seconds to come back. */
  retryAfterSeconds?: number;
}

export class EspalierError extends Error {
  readonly code: string;
  readonly status: number;
  readonly param: string | undefined;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(shape: ErrorShape, options?: ErrorOptions) {
    super(shape.message, options);
    this.name = new.target.name;
    this.code = shape.code;
    this.status = shape.status;
    this.param = shape.param;
    this.details = shape.details;
    this.retryAfterSeconds = shape.retryAfterSeconds;
  }

  /** A plain object that survives a process boundary; `EspalierError.from` is its inverse. */
  toShape(): ErrorShape {
    return {
      code: this.code,
      status: this.status,
      message: this.message,
      param: this.param,
      details: this.details,
      retryAfterSeconds: this.retryAfterSeconds,
    };
  }

  /** `reason`: what `reasonsOf` said of it where it was thrown; goes to the log, and to nobody else. */
  static from(shape: ErrorShape, reason?: string): EspalierError {
    return new EspalierError(shape, reason === undefined ? undefined : { cause: new Error(reason) });
  }
}

/** The messages of an error and of what caused it, for a log: the outermost first. */
export function reasonsOf(error: unknown): string {
  const reasons: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    // Some name their cause themselves; the cause of one from another thread or process is all that was known there.
    if (at.message.startsWith(reasons.at(-1) ?? at.message)) reasons.pop();
    if (reasons.at(-1)?.includes(at.message) !== true) reasons.push(at.message);
  }
  return reasons.length === 0 ? String(error) : reasons.join(' — ');
}

/** What callers send can be long; a message needs its beginning. */
export function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
