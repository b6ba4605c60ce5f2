/** What Fastify, its plugins and Nest throw by themselves, as errors of ours. */
import { HttpException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { EspalierError } from '../errors/espalier-error.js';
import {
  BodyTooLargeError,
  InternalError,
  InvalidRequestError,
  RouteNotFoundError,
  UnsupportedMediaTypeError,
} from '../errors/requests.js';

/** What the parser of forms throws has neither a class nor a code. */
const MALFORMED_FORM =
  /^Multipart: Boundary not found|unexpected end of multipart data|^Unexpected end of multipart data|^The needle can(not|'t) /;

export function asEspalierError(error: unknown, request: FastifyRequest): EspalierError {
  if (error instanceof EspalierError) return error;
  const { status, message } = described(error);
  if (MALFORMED_FORM.test(message)) return new InvalidRequestError(`The form can't be read: ${message}.`);
  if (status === 413 && /parts|fields|files/.test(message))
    return new InvalidRequestError('The form has too many parts.');
  switch (status) {
    case 400:
      return new InvalidRequestError(message);
    case 404:
      return new RouteNotFoundError(request.method, path(request));
    case 413:
      return new BodyTooLargeError(request.routeOptions.bodyLimit);
    case 415:
      return new UnsupportedMediaTypeError(request.headers['content-type']);
  }
  if (status >= 400 && status < 500) return new EspalierError({ code: 'request_refused', status, message });
  return new InternalError(request.id, error);
}

/** Nest's exceptions and Fastify's errors that blame the caller say so by their status; all others are ours. */
function described(error: unknown): { status: number; message: string } {
  if (error instanceof HttpException) return { status: error.getStatus(), message: error.message };
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown };
  return {
    status: typeof statusCode === 'number' ? statusCode : 500,
    message: typeof message === 'string' ? message : 'The request is malformed.',
  };
}

/** Without the query: it may be long, and is no part of the route. */
export function path(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? request.url;
}
