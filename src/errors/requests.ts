/** Requests of whatever kind that can't be read, come too slowly or too late, or meet a fault that has no other name. */
import { EspalierError } from './espalier-error.js';

export class InvalidRequestError extends EspalierError {
  constructor(message: string, param?: string, details?: Record<string, unknown>) {
    super({ code: 'invalid_request', status: 400, message, param, details });
  }
}

export class RouteNotFoundError extends EspalierError {
  constructor(method: string, path: string) {
    super({ code: 'route_not_found', status: 404, message: `There is no ${method} ${path} here.` });
  }
}

/** The path is there, under other methods. */
export class MethodNotAllowedError extends EspalierError {
  readonly allowed: readonly string[];

  constructor(method: string, path: string, allowed: readonly string[]) {
    super({
      code: 'method_not_allowed',
      status: 405,
      message: `There is no ${method} ${path} here, but ${allowed.join(', ')}.`,
      details: { allowed },
    });
    this.allowed = allowed;
  }
}

export class BodyTooLargeError extends EspalierError {
  constructor(limitBytes: number) {
    super({
      code: 'body_too_large',
      status: 413,
      message: `The request's body is larger than ${limitBytes} bytes.`,
      details: { limitBytes },
    });
  }
}

export class InvalidJsonError extends EspalierError {
  constructor(reason: string) {
    super({ code: 'invalid_json', status: 400, message: `The request's body is no JSON that can be used: ${reason}` });
  }
}

export class JsonTooDeepError extends EspalierError {
  constructor(limit: number) {
    super({
      code: 'json_too_deep',
      status: 400,
      message: `The request's body nests deeper than ${limit} levels.`,
      details: { limit },
    });
  }
}

export class UnsupportedMediaTypeError extends EspalierError {
  constructor(contentType: string | undefined) {
    super({
      code: 'unsupported_media_type',
      status: 415,
      message: `A body of type "${contentType ?? ''}" can't be read here. Send Content-Type: application/json.`,
    });
  }
}

/** Of a file; its size is what a part would have to begin below. */
export class RangeNotSatisfiableError extends EspalierError {
  constructor(bytes: number) {
    super({
      code: 'range_not_satisfiable',
      status: 416,
      message: `The file has ${bytes} bytes; a range has to begin below that.`,
      details: { bytes },
    });
  }
}

/** What the client sends comes too slowly. */
export class RequestTimeoutError extends EspalierError {
  constructor(timeoutMs: number) {
    super({
      code: 'request_timeout',
      status: 408,
      message: `Too little of the request came in ${timeoutMs} ms, so it was given up. Send it again over a faster connection.`,
      details: { timeoutMs },
    });
  }
}

/** Bytes that are no HTTP. */
export class MalformedHttpError extends EspalierError {
  constructor() {
    super({ code: 'malformed_http', status: 400, message: 'What was sent is no HTTP request that can be read.' });
  }
}

export class HeadersTooLargeError extends EspalierError {
  constructor() {
    super({
      code: 'headers_too_large',
      status: 431,
      message: "The request's headers are too large. Send fewer or shorter ones.",
    });
  }
}

/** Somebody else changed it first. `current`: how it is now. */
export class VersionConflictError extends EspalierError {
  constructor(what: string, expected: number, version: number, current: unknown) {
    super({
      code: 'version_conflict',
      status: 412,
      message: `${what} is at version ${version}, and the request was made for version ${expected}: somebody changed it in between. Look at it as it is now, and send the change again with version ${version}.`,
      details: { version, expectedVersion: expected, current },
    });
  }
}

/** Something went wrong that isn't the caller's fault and has no error of its own; the log says what, under the id. */
export class InternalError extends EspalierError {
  constructor(requestId: string, cause: unknown) {
    super(
      {
        code: 'internal_error',
        status: 500,
        message: `The service failed on this request. Its log has the reason under request id ${requestId}.`,
      },
      { cause },
    );
  }
}

export class ShuttingDownError extends EspalierError {
  constructor() {
    super({ code: 'shutting_down', status: 503, message: 'The service is stopping. Try again.', retryAfterSeconds: 5 });
  }
}
