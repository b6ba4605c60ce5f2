/** What the routes under /v1 say in the words of OpenAI and vLLM, whose clients look for them. */
import { EspalierError } from './espalier-error.js';

export class ModelNotFoundError extends EspalierError {
  constructor(reason: string, details?: Record<string, unknown>) {
    super({ code: 'model_not_found', status: 404, message: reason, param: 'model', details });
  }
}

/** As vLLM has it, whose clients look for these words. */
export class LoraLoadedError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'lora_already_loaded',
      status: 400,
      message: `The lora adapter '${path}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`,
      param: 'lora_name',
      details: { path },
    });
  }
}

/** `running`: requests that still use the node, which is disabled all the same. */
export class UnloadTimeoutError extends EspalierError {
  constructor(path: string, running: number, timeoutMs: number) {
    super({
      code: 'unload_timeout',
      status: 503,
      message: `"${path}" takes no new requests, but ${running} of those that use it still run after ${timeoutMs / 1000} s. Ask again to go on waiting.`,
      param: 'lora_name',
      details: { path, running },
      retryAfterSeconds: 5,
    });
  }
}
