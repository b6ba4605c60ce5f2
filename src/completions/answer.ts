/**
 * Sends a generation: as one JSON object, or as server-sent events. A stream begins with its first output, so that
 * whatever keeps a request from running is an ordinary HTTP error; what fails later is an event, and ends the stream.
 * The reader sets the pace: the next output is taken when the last one is on its way.
 */
import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { EspalierError } from '../errors/espalier-error.js';
import { InternalError } from '../errors/requests.js';
import { errorBody } from '../http/error-body.js';
import type { AnswerFormat, FinishedChoice } from './answer-format.js';
import type { ChoiceDelta } from './choice.js';
import type { Generation } from './generation.js';

export interface Answer {
  id: string;
  generation: Generation;
  deltas: AsyncGenerator<ChoiceDelta>;
  format: AnswerFormat;
  signal: AbortSignal;
}

/** Bytes that wait for a slow reader before the engine's outputs are left where they are. */
const STREAM_BUFFER_BYTES = 16 * 1024;

export async function sendJson(reply: FastifyReply, answer: Answer): Promise<void> {
  const choices: FinishedChoice[] = Array.from({ length: answer.generation.choices }, (_, index) => ({
    index,
    text: '',
    tokens: [],
    finish: null,
  }));
  for await (const delta of answer.deltas) {
    const choice = choices[delta.index];
    if (!choice) continue;
    choice.text += delta.text;
    // One by one: an echoed prompt may be more than a call takes arguments.
    for (const token of delta.tokens) choice.tokens.push(token);
    choice.finish = delta.finish;
  }
  // The client is gone: there is nobody to answer.
  if (answer.signal.aborted) return;
  await reply.send({
    ...head(answer, answer.format.object),
    choices: choices.map((choice) => answer.format.choice(choice)),
    usage: answer.generation.usage,
  });
}

export async function sendStream(
  reply: FastifyReply,
  answer: Answer,
  options: { includeUsage: boolean; onError: (error: EspalierError) => void },
): Promise<void> {
  const first = await answer.deltas.next();
  if (answer.signal.aborted) {
    await answer.deltas.return(undefined);
    return;
  }
  const events = Readable.from(eventsOf(answer, first, options), {
    objectMode: false,
    highWaterMark: STREAM_BUFFER_BYTES,
  });
  // Where the client left before the first event was read, nothing of `eventsOf` has run, nor will.
  events.once('close', () => void answer.deltas.return(undefined));
  await reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-cache')
    .header('x-accel-buffering', 'no')
    .send(events);
}

async function* eventsOf(
  answer: Answer,
  first: IteratorResult<ChoiceDelta>,
  options: { includeUsage: boolean; onError: (error: EspalierError) => void },
): AsyncGenerator<string> {
  const { format, deltas, generation } = answer;
  const common = head(answer, format.chunkObject);
  const usage = options.includeUsage ? { usage: null } : {};
  const chunk = (choice: object): string => event({ ...common, choices: [choice], ...usage });
  try {
    for (let index = 0; index < generation.choices; index++) {
      const opening = format.firstChunk(index);
      if (opening) yield chunk(opening);
    }
    for (let next = first; !next.done; next = await deltas.next()) yield chunk(format.chunk(next.value));
    if (options.includeUsage) yield event({ ...common, choices: [], usage: generation.usage });
    yield 'data: [DONE]\n\n';
  } catch (error) {
    const known = error instanceof EspalierError ? error : new InternalError(answer.id, error);
    options.onError(known);
    yield event(errorBody(known));
  } finally {
    await deltas.return(undefined);
  }
}

function head({ id, generation }: Answer, object: string): object {
  return {
    id,
    object,
    created: Math.floor(Date.now() / 1000),
    model: generation.model.name,
    system_fingerprint: generation.model.resolved.digest,
  };
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
