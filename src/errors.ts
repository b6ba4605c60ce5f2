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

/** No graph can be built for the `model_type` of a config.json. */
export class UnsupportedArchitectureError extends EspalierError {
  constructor(modelType: string, supported: readonly string[]) {
    super({
      code: 'unsupported_architecture',
      status: 400,
      message: `Models of type "${modelType}" are not supported. Supported are: ${supported.join(', ')}.`,
      details: { modelType, supported },
    });
  }
}

export class MissingTensorError extends EspalierError {
  constructor(name: string, shape: readonly number[]) {
    super({
      code: 'missing_tensor',
      status: 400,
      message: `The checkpoint has no tensor "${name}" [${shape.join(', ')}], which its config.json calls for. Export it again with its complete weights.`,
      details: { tensor: name },
    });
  }
}

export class TensorShapeError extends EspalierError {
  constructor(name: string, found: readonly number[], expected: readonly number[]) {
    super({
      code: 'tensor_shape_mismatch',
      status: 400,
      message: `Tensor "${name}" is [${found.join(', ')}], but by config.json it should be [${expected.join(', ')}]. Check that config.json and weights belong together.`,
      details: { tensor: name, found, expected },
    });
  }
}

/** The runtime refused a model file. */
export class SessionLoadError extends EspalierError {
  constructor(modelFile: string, cause: unknown) {
    super(
      {
        code: 'model_load_failed',
        status: 500,
        message: `The runtime can't load "${modelFile}": ${cause instanceof Error ? cause.message : String(cause)}`,
      },
      { cause },
    );
  }
}

/** A run with wrong feeds, or one that failed inside the runtime. `feeds` says name, type and shape of each. */
export class SessionRunError extends EspalierError {
  constructor(reason: string, feeds: readonly string[], options?: ErrorOptions) {
    super(
      {
        code: 'inference_failed',
        status: 500,
        message: `The model could not be run: ${reason} Feeds: ${feeds.join(', ')}.`,
        details: { feeds },
      },
      options,
    );
  }
}

// --- engine -------------------------------------------------------------------------------------------------------

// --- storage and database -----------------------------------------------------------------------------------------
