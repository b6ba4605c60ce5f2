import { expect, test } from '@jest/globals';
import Fastify from 'fastify';
import { pino } from 'pino';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { FolderNotAllowedError } from '../../../src/errors/files.js';
import { JSON_LINES } from '../../../src/http/answers.js';
import { importLineSchema } from '../../../src/registry/dto/model.dto.js';
import { answerImport } from '../../../src/registry/importer/answer-import.js';

/** The status of an import that fails once `until` resolves, and the lines that it writes. */
async function failing(error: Error, until: (begun: Promise<void>) => Promise<void>) {
  const app = Fastify();
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  app.setErrorHandler((thrown, _request, reply) =>
    reply.status(thrown instanceof EspalierError ? thrown.status : 500).send(),
  );
  app.post('/', (request, reply) =>
    answerImport(request, reply, pino({ level: 'silent' }), async (onProgress) => {
      onProgress({ bytes: 1, totalBytes: 2 });
      await until(begun);
      throw error;
    }),
  );
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const answer = await fetch(url, { method: 'POST', headers: { accept: JSON_LINES } });
  begin();
  const lines = (await answer.text()).split('\n').slice(0, -1);
  await app.close();
  return { status: answer.status, lines: lines.map((line) => JSON.parse(line) as unknown) };
}

test.each([
  ['folder_not_allowed', 403, new FolderNotAllowedError('/nowhere', ['/srv'])],
  ['internal_error', 500, new Error('the disk is full')],
])('what goes wrong after the answer has begun says its status: %s, %i', async (code, status, error) => {
  const { status: begun, lines } = await failing(error, (answer) => answer);
  expect(begun).toBe(200);
  expect(lines[0]).toEqual({ progress: { bytes: 1, totalBytes: 2 } });
  expect(lines.at(-1)).toMatchObject({ error: { code }, status });
  for (const line of lines) expect(() => importLineSchema.parse(line)).not.toThrow();
});

test('what goes wrong before has it itself', async () => {
  const error = new FolderNotAllowedError('/nowhere', ['/srv']);
  expect(await failing(error, () => Promise.resolve())).toEqual({ status: 403, lines: [] });
});
