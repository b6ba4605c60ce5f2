import { jest } from '@jest/globals';
import type { FastifyReply } from 'fastify';
import type { Readable } from 'node:stream';
import { sendJson, sendStream, type Answer } from '../../../src/completions/answer.js';
import type { ChoiceDelta } from '../../../src/completions/choice.js';

const delta: ChoiceDelta = { index: 0, text: 'Le', tokens: [], finish: null };
const options = { includeUsage: false, onError: jest.fn() };

/** One delta, and then nothing for ever; `ended` once the generation is told to end. */
function unfinished(signal: AbortSignal): { answer: Answer; ended: Promise<void> } {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  async function* deltas(): AsyncGenerator<ChoiceDelta> {
    try {
      for (;;) yield await Promise.resolve(delta);
    } finally {
      end();
    }
  }
  const format = { chunkObject: 'text_completion', firstChunk: () => null, chunk: () => ({}) };
  const generation = { choices: 1, model: { name: 'm', resolved: { digest: 'd' } } };
  const answer = { id: 'cmpl-1', generation, deltas: deltas(), format, signal } as unknown as Answer;
  return { answer, ended };
}

test('a client that is gone when the first output comes leaves nothing running', async () => {
  const { answer, ended } = unfinished(AbortSignal.abort());
  await sendStream({} as FastifyReply, answer, options);
  await ended;
});

test('nor does one that leaves before the first event is read', async () => {
  const { answer, ended } = unfinished(new AbortController().signal);
  const reply = { header: () => reply, send: (events: Readable) => events.destroy() };
  await sendStream(reply as unknown as FastifyReply, answer, options);
  await ended;
});

test('a long prompt is echoed with all its tokens', async () => {
  const token = { token: 1, logprob: -1, top: [], offset: 0 };
  async function* deltas(): AsyncGenerator<ChoiceDelta> {
    yield await Promise.resolve({ ...delta, tokens: Array.from({ length: 300_000 }, () => token), finish: 'stop' });
  }
  const { answer } = unfinished(new AbortController().signal);
  const format = {
    object: 'text_completion',
    choice: ({ tokens }: { tokens: unknown[] }) => ({ count: tokens.length }),
  };
  let sent: unknown;
  const reply = { send: (body: unknown) => (sent = body) };
  await sendJson(reply as unknown as FastifyReply, { ...answer, format, deltas: deltas() } as unknown as Answer);
  expect(sent).toMatchObject({ choices: [{ count: 300_000 }] });
});
