/** Base models and their checkpoints: what can't be imported, and what changed since it was. */
import { clip, EspalierError } from './espalier-error.js';

export class ModelNotImportedError extends EspalierError {
  constructor(name: string, known: readonly string[]) {
    super({
      code: 'model_not_imported',
      status: 404,
      message: `There is no model "${clip(name)}". There ${known.length === 0 ? 'is none yet: import one.' : `is ${known.join(', ')}.`}`,
      param: 'model',
      details: { model: clip(name), known },
    });
  }
}

/** The name stands for other files already. */
export class ModelExistsError extends EspalierError {
  constructor(name: string, digest: string, givenDigest: string) {
    super({
      code: 'model_exists',
      status: 409,
      message: `"${name}" is imported already, from other files. Models never change: give this one another name.`,
      param: 'name',
      details: { name, digest, givenDigest },
    });
  }
}

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

/** A config.json that can't be served exactly. `field` is the one at fault. */
export class UnsupportedConfigError extends EspalierError {
  constructor(field: string, reason: string) {
    super({
      code: 'unsupported_config',
      status: 400,
      message: `config.json can't be served: "${field}" ${reason}.`,
      details: { field },
    });
  }
}

/** A checkpoint whose weights can't be quantised as was asked. */
export class UnsupportedQuantizationError extends EspalierError {
  constructor(quantization: string, reason: string) {
    super({
      code: 'unsupported_quantization',
      status: 400,
      message: `This model can't be quantised as ${quantization}: ${reason}.`,
      param: 'quantize',
      details: { quantization },
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

/**
 * The files of an imported model aren't those that it was imported from. Which file, and where it lies, is the cause:
 * that is for the log, not for whoever may only use the model.
 */
export class ModelFilesChangedError extends EspalierError {
  constructor(folder: string, file: string, what: string) {
    super(
      {
        code: 'model_files_changed',
        status: 500,
        message:
          "Files of this model changed since its import, so it isn't loaded: it would be another model under the same digest. Import its checkpoint again.",
      },
      { cause: new Error(`"${file}" of the imported model in "${folder}" ${what} since its import`) },
    );
  }
}
