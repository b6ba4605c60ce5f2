/** Adapters: why a push is refused, and why one that was pushed can't be used. */
import { EspalierError } from './espalier-error.js';

/** An adapter_config.json that is wrong, or asks for what isn't implemented. `field` is the one at fault. */
export class UnsupportedAdapterError extends EspalierError {
  constructor(field: string, reason: string) {
    super({
      code: 'unsupported_adapter',
      status: 400,
      message: `This adapter can't be served: "${field}" ${reason}.`,
      details: { field },
    });
  }
}

/** A tensor of an adapter that can't be used: unknown key, missing half, values out of range. */
export class InvalidAdapterTensorError extends EspalierError {
  constructor(key: string, reason: string) {
    super({
      code: 'invalid_adapter_tensor',
      status: 400,
      message: `adapter_model.safetensors: "${key}" ${reason}.`,
      details: { key },
    });
  }
}

/** Keys or shapes say that the adapter was trained on another model than the one that it is pushed under. */
export class AdapterBaseMismatchError extends EspalierError {
  constructor(reason: string, trainedOn: string | null, origins: readonly string[]) {
    const its = trainedOn === null ? 'It does not name its base model' : `It names "${trainedOn}" as its base model`;
    super({
      code: 'adapter_base_mismatch',
      status: 400,
      message: `This adapter was made for another base model: ${reason}. ${its}; this one is ${origins.join(', ')}. Push it under the model that it was trained on.`,
      details: { baseModelNameOrPath: trainedOn, origins },
    });
  }
}

export class AdapterWithoutEffectError extends EspalierError {
  constructor() {
    super({
      code: 'adapter_without_effect',
      status: 400,
      message:
        'This adapter would change nothing: in every module A, B or the scale is zero, as in an adapter that was never trained. Check that the right checkpoint was saved.',
    });
  }
}

/** Reading an adapter took too long, or ended its worker. */
export class AdapterUnreadableError extends EspalierError {
  constructor(reason: string, cause: unknown) {
    super(
      {
        code: 'adapter_unreadable',
        status: 422,
        message: `The adapter could not be checked: ${reason}. Check that its files are whole, and that its size is what it should be.`,
      },
      { cause },
    );
  }
}

/** `field`: of the push that says what was expected. */
export class DigestMismatchError extends EspalierError {
  constructor(field: 'digest' | 'sha256', expected: string, found: string) {
    const what = field === 'digest' ? 'The revision digest' : 'The SHA-256 of adapter_model.safetensors';
    super({
      code: 'digest_mismatch',
      status: 422,
      message: `${what} is ${found}, where the push expects ${expected}. Nothing was kept. Check which adapter was sent, and that it came whole.`,
      param: field,
      details: { expected, found },
    });
  }
}

/** Adapters that wait for their check. */
export class PushOverloadedError extends EspalierError {
  constructor() {
    super({
      code: 'overloaded',
      status: 429,
      message: 'Too many adapters are waiting to be checked. Try again later.',
      retryAfterSeconds: 5,
    });
  }
}

/**
 * An adapter that was pushed can't be read now: its bytes are gone or changed, or the disk failed. It may be one above
 * what the caller can see, and the cause names files of this machine: both are logged and not told.
 */
export class AdapterLoadError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'adapter_load_failed',
        status: 500,
        message:
          "An adapter of the path can't be read now; the service's log says which and why. Push its revision again, or ask whoever runs the service to mend what the log names.",
      },
      { cause },
    );
  }
}

/** Scale and B are each in range, and their product is not. */
export class NonFiniteAdapterError extends EspalierError {
  constructor(digest: string, module: string) {
    super({
      code: 'non_finite_adapter',
      status: 400,
      message: `Adapter ${digest.slice(0, 12)} has values for ${module} that are not finite once its scale is multiplied in. Lower lora_alpha, or use an earlier state of the training.`,
      details: { digest, module },
    });
  }
}
