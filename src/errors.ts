/**
 * Every error that a caller can meet, with its stable code.
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

  static from(shape: ErrorShape): EspalierError {
    return new EspalierError(shape);
  }
}

// --- requests ---------------------------------------------------------------------------------------------------

export class InvalidRequestError extends EspalierError {
  constructor(message: string, param?: string, details?: Record<string, unknown>) {
    super({ code: 'invalid_request', status: 400, message, param, details });
  }
}

// --- access -----------------------------------------------------------------------------------------------------

// --- tree and registry --------------------------------------------------------------------------------------------

// --- formats: safetensors, PEFT, checkpoints ------------------------------------------------------------------------

// --- graph --------------------------------------------------------------------------------------------------------

// --- engine -------------------------------------------------------------------------------------------------------

// --- storage and database -----------------------------------------------------------------------------------------
