/**
 * What an import answers: the model, once it is there. A checkpoint of gigabytes takes minutes, so whoever asks for
 * lines of JSON is told meanwhile how far it is, and no proxy on the way takes the connection for dead.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { JSON_LINES } from '../../http/answers.js';
import { errorBody } from '../../http/error-body.js';
import { asEspalierError } from '../../http/known-errors.js';
import type { Logger } from '../../logger.js';
import type { ImportedModelDto, ImportLine } from '../dto/model.dto.js';
import type { ImportProgress } from './import-checkpoint.js';

const LINE_EVERY_MS = 250;

export async function answerImport(
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
  run: (onProgress: (progress: ImportProgress) => void) => Promise<ImportedModelDto>,
): Promise<void> {
  let progress: ImportProgress | null = null;
  const work = run((now) => (progress = now));
  // It goes on where the client has left, and nobody waits for it then.
  work.catch(() => undefined);
  if (!request.headers.accept?.includes(JSON_LINES)) {
    const model = await work;
    await reply.status(model.unchanged ? 200 : 201).send(model);
    return;
  }
  // What is refused at once is an error like any other.
  await Promise.race([work, sleep(LINE_EVERY_MS)]);
  const lines = Readable.from(
    linesOf(work, () => progress, request, logger),
    { objectMode: false },
  );
  await reply
    .headers({ 'content-type': JSON_LINES, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' })
    .send(lines);
}

async function* linesOf(
  work: Promise<ImportedModelDto>,
  progress: () => ImportProgress | null,
  request: FastifyRequest,
  logger: Logger,
): AsyncGenerator<string> {
  const ended = work.then(
    () => true,
    () => true,
  );
  for (;;) {
    const now = progress();
    if (now !== null) yield line({ progress: now });
    if (await Promise.race([ended, sleep(LINE_EVERY_MS, false)])) break;
  }
  try {
    yield line({ model: await work });
  } catch (error) {
    const known = asEspalierError(error, request);
    if (known.status >= 500) logger.error({ err: error, requestId: request.id }, 'an import failed');
    yield line({ ...errorBody(known), status: known.status });
  }
}

function line(value: ImportLine): string {
  return `${JSON.stringify(value)}\n`;
}
