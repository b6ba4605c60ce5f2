/** The HTTP server before any route: request ids, limits, body parsers, the log of requests. */
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Config } from '../config.js';
import { MethodNotAllowedError, RequestTimeoutError, ShuttingDownError } from '../errors/requests.js';
import type { Logger } from '../logger.js';
import { AllowedMethods } from './allowed-methods.js';
import { watchPace } from './body-pace.js';
import { answerClientError } from './client-errors.js';
import { errorBody } from './error-body.js';
import { parseJsonBody } from './json-body.js';
import { asEspalierError, path } from './known-errors.js';
import type { Lifecycle } from './lifecycle.js';
import { setSecurityHeaders } from './security-headers.js';

/** Escapes can make JSON several times as long as the text in it. */
const JSON_BYTES_PER_PROMPT_BYTE = 4;
const JSON_BYTES_BESIDE_PROMPT = 64 * 1024;

/** A route's path may hold a whole tree path: 33 names of 64 characters, and between them slashes, percent-encoded. */
const MAX_PARAM_LENGTH = 4_096;

/** How often connections are looked at whose headers aren't complete. */
const MAX_LOOK_MS = 5_000;

const REQUEST_ID = /^[\w.:-]{1,128}$/;

export function createAdapter(config: Config, logger: Logger, lifecycle: Lifecycle): FastifyAdapter {
  const adapter = new FastifyAdapter({
    genReqId: requestId,
    // What the router refuses, a malformed URL for example, reaches no hook and no filter.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const shape = asEspalierError(error, request).toShape();
      setSecurityHeaders(request.raw, reply.raw);
      void reply.header('x-request-id', request.id).status(shape.status).send(errorBody(shape));
    },
    bodyLimit: config.tokenizer.maxPromptBytes * JSON_BYTES_PER_PROMPT_BYTE + JSON_BYTES_BESIDE_PROMPT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Requests that come in while the server closes get our own 503.
    return503OnClosing: false,
    http: { headersTimeout: config.stallMs, connectionsCheckingInterval: Math.min(config.stallMs, MAX_LOOK_MS) },
    // Not Fastify's timeouts, which count from a request's first byte or look for silence: they would cut uploads that
    // take long, and answers that a model thinks about for long.
    clientErrorHandler: (error, socket) => answerClientError(error, socket, { timeoutMs: config.stallMs, logger }),
    // Uploads are streamed to the blob store, which counts the bytes too.
    multipart: { limits: { fields: 16, fieldSize: 64 * 1024, files: 4, fileSize: config.maxUploadBytes } },
  });
  const fastify = adapter.getInstance<FastifyInstance>();
  fastify.removeContentTypeParser(['application/json', 'text/plain']);
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body));
    } catch (error) {
      done(error as Error);
    }
  });
  const methods = new AllowedMethods(fastify, MAX_PARAM_LENGTH);
  fastify.addHook('onRequest', (request, reply, done) => {
    // On the raw response, so that streams which write to it themselves carry it too.
    reply.raw.setHeader('x-request-id', request.id);
    setSecurityHeaders(request.raw, reply.raw);
    if (lifecycle.stopping && !path(request).startsWith('/health/')) {
      reply.raw.setHeader('connection', 'close');
      done(new ShuttingDownError());
      return;
    }
    if (request.is404) {
      const allowed = methods.of(path(request));
      if (allowed.length > 0) {
        done(new MethodNotAllowedError(request.method, path(request), allowed));
        return;
      }
    }
    done();
  });
  const late = new RequestTimeoutError(config.stallMs);
  fastify.addHook('preParsing', (request, reply, payload, done) => {
    watchPace(request.raw, config.stallMs, () => {
      if (reply.sent) request.raw.destroy();
      else void reply.header('connection', 'close').status(late.status).send(errorBody(late));
    });
    done(null, payload);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    logRequest(logger, request, reply.statusCode, reply.elapsedTime);
    done();
  });
  fastify.addHook('onRequestAbort', (request, done) => {
    logger.info({ requestId: request.id, method: request.method, path: path(request) }, 'client went away');
    done();
  });
  return adapter;
}

/** The caller's own id where it sends a sane one, so that a request can be followed through several services. */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

function logRequest(logger: Logger, request: FastifyRequest, status: number, elapsedMs: number): void {
  const entry = {
    requestId: request.id,
    method: request.method,
    path: path(request),
    status,
    ms: Math.round(elapsedMs),
  };
  // Probes come every few seconds and say nothing.
  if (entry.path.startsWith('/health/')) logger.debug(entry, 'request');
  else logger.info(entry, 'request');
}
