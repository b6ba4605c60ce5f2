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
  for await (const line of createInterface({ input: Readable.from(answer.body) })) {
    const said = importLineSchema.parse(JSON.parse(line));
    const error = ApiError.from(said, 500);
    if (error) throw error;
    if ('model' in said) return said.model;
    if ('progress' in said) update(said.progress.bytes, said.progress.totalBytes);
  }
  throw new ApiError('The service ended the answer before its end.', 'stream_cut', 500);
}
