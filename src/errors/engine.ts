/** The engine process, the models that it loads, and runs that fail in it. */
import { EspalierError } from './espalier-error.js';
import {
  Float16ExceededError,
  GpuFloat16UnavailableError,
  GpuMemoryExceededError,
  GpuUnavailableError,
} from './gpu.js';

export class EngineRestartingError extends EspalierError {
  constructor(retryAfterSeconds: number) {
    super({
      code: 'engine_restarting',
      status: 503,
      message: `The engine process ended and is being started again. Try again in ${retryAfterSeconds} s.`,
      retryAfterSeconds,
    });
  }
}

/** `how` is the signal or exit code that the engine process ended with. */
export class EngineDiedError extends EspalierError {
  constructor(how: string) {
    super({
      code: 'engine_died',
      status: 502,
      message: `The engine process ended (${how}) while this request ran. It is being started again; send the request again.`,
      details: { how },
    });
  }
}

export class EngineStoppingError extends EspalierError {
  constructor() {
    super({
      code: 'engine_stopping',
      status: 503,
      message: 'The service is shutting down and takes no more requests. Send the request again once it is back.',
      retryAfterSeconds: 5,
    });
  }
}

/** A fault of the engine that has no error of its own. */
export class EngineFailedError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'engine_failed',
        status: 500,
        message: `The engine could not do what was asked: ${cause instanceof Error ? cause.message : String(cause)}`,
      },
      { cause },
    );
  }
}

/** The engine process died more than once with nothing but this path in it. */
export class PathQuarantinedError extends EspalierError {
  constructor(pathDigest: string, deaths: number, retryAfterSeconds: number) {
    super({
      code: 'path_quarantined',
      status: 503,
      message: `The engine process ended ${deaths} times while it ran nothing but this path, which is therefore not served for another ${retryAfterSeconds} s. Check the last node's adapter, or serve another revision of it.`,
      details: { pathDigest, deaths },
      retryAfterSeconds,
    });
  }
}

/**
 * A model that was imported can't be loaded now: whatever the reason, it is not the request's fault. The reason names
 * files of this machine, so it is logged and not told.
 */
export class ModelLoadError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'model_load_failed',
        status: 500,
        message:
          "The path's model can't be loaded now; the service's log says why. Whoever runs the service should mend what it names, or import the model again.",
      },
      { cause },
    );
  }
}

/** What of a failed load a caller is told. */
export function modelLoadError(cause: unknown): EspalierError {
  const isTold = [GpuUnavailableError, GpuMemoryExceededError, GpuFloat16UnavailableError, Float16ExceededError].some(
    (told) => cause instanceof told,
  );
  return isTold ? (cause as EspalierError) : new ModelLoadError(cause);
}

export class ModelUnloadedError extends EspalierError {
  constructor(modelDigest: string) {
    super({
      code: 'model_unloaded',
      status: 409,
      message: `The model ${modelDigest.slice(0, 12)} was unloaded while this request ran or waited. Load it again to use it.`,
      details: { model: modelDigest },
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

export class NonFiniteLogitsError extends EspalierError {
  constructor(pathDigest: string) {
    super({
      code: 'non_finite_logits',
      status: 500,
      message: `The model computed numbers that are not finite on the path ${pathDigest.slice(0, 12)}. An adapter on it overflows, or two that don't belong together: lower a weight in the path, or serve another revision.`,
      details: { pathDigest },
    });
  }
}
