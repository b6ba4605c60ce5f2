/** An import that is watched: the service writes lines of JSON until it's done. */
import { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { importLineSchema, type ImportedModelDto } from '../registry/dto/model.dto.js';
import type { ApiClient } from './api-client.js';
import { ApiError } from './api-error.js';
import type { OnProgress } from './progress.js';

export async function importModel(api: ApiClient, body: object, update: OnProgress): Promise<ImportedModelDto> {
  const headers = { accept: 'application/jsonl' };
  const answer = await api.read('POST', '/api/v1/models', { body, headers });
  return importedModel(answer.body, update);
}

/** What the last line holds. An error there counts as if it had been the whole answer. */
export async function importedModel(lines: AsyncIterable<Uint8Array>, update: OnProgress): Promise<ImportedModelDto> {
  for await (const line of createInterface({ input: Readable.from(lines) })) {
    const said = importLineSchema.parse(JSON.parse(line));
    if ('error' in said) throw new ApiError(said.error.message, said.error.code, said.status, said.error.details);
    if ('model' in said) return said.model;
    update(said.progress.bytes, said.progress.totalBytes);
  }
  throw new ApiError('The service ended the answer before its end.', 'stream_cut', 500);
}
