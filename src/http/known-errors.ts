/** What Fastify, its plugins and Nest throw by themselves, as errors of ours. */
import { HttpException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  BodyTooLargeError,
  EspalierError,
  InternalError,
  InvalidJsonError,
  InvalidRequestError,
  RouteNotFoundError,
  UnsupportedMediaTypeError,
} from '../errors.js';

export function asEspalierError(error: unknown, request: FastifyRequest): EspalierError {
  if (error instanceof EspalierError) return error;
  if (error instanceof HttpException) return ofNest(error, request);
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown };
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new BodyTooLargeError(request.routeOptions.bodyLimit);
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_INVALID_MULTIPART_CONTENT_TYPE':
      return new UnsupportedMediaTypeError(request.headers['content-type']);
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new InvalidJsonError('it is empty.');
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const text = typeof message === 'string' ? message : 'The request is malformed.';
    return statusCode === 400
      ? new InvalidRequestError(text)
      : new EspalierError({ code: 'request_refused', status: statusCode, message: text });
  }
  return new InternalError(request.id, error);
}

function ofNest(error: HttpException, request: FastifyRequest): EspalierError {
  const status = error.getStatus();
  if (status === 404) return new RouteNotFoundError(request.method, path(request));
  if (status === 400) return new InvalidRequestError(error.message);
  if (status >= 500) return new InternalError(request.id, error);
  return new EspalierError({ code: 'request_refused', status, message: error.message });
}

/** Without the query: it may be long, and is no part of the route. */
export function path(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? request.url;
}
