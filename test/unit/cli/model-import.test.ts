import { expect, it } from '@jest/globals';
import { ApiError } from '../../../src/cli/api-error.js';
import { EXIT, exitCode } from '../../../src/cli/exit-code.js';
import { importedModel } from '../../../src/cli/model-import.js';
import { errorBody } from '../../../src/http/error-body.js';
import type { ImportLine } from '../../../src/registry/dto/model.dto.js';

async function* written(...lines: ImportLine[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield await Promise.resolve(Buffer.from(`${JSON.stringify(line)}\n`));
}

const progress = { progress: { bytes: 1, totalBytes: 2 } };

it.each([
  ['folder_not_allowed', 403, EXIT.denied],
  ['folder_not_found', 404, EXIT.notFound],
  ['invalid_file', 400, EXIT.failed],
  ['database_unavailable', 503, EXIT.later],
])('an import that is refused late, with %s, ends as one that is refused at once', async (code, status, expected) => {
  const shape = { code, status, message: 'No.', param: 'folder', details: { folder: '/nowhere' } };
  const seen: unknown[] = [];
  const lines = written(progress, { ...errorBody(shape), status });
  const error: unknown = await importedModel(lines, (...now) => seen.push(now)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ message: 'No.', code, status, details: { folder: '/nowhere' } });
  expect(exitCode(error)).toBe(expected);
  expect(seen).toEqual([[1, 2]]);
});

it('an answer that ends before its end is a failure', async () => {
  await expect(importedModel(written(progress), () => undefined)).rejects.toMatchObject({ code: 'stream_cut' });
});
