/** A key as people name it. The service knows it by its id alone. */
import { keySchema, type KeyDto } from '../registry/keys/key.dto.js';
import type { ApiClient } from './api-client.js';
import { ApiError } from './api-error.js';
import { UsageError } from './errors.js';

const ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

export async function findKey(api: ApiClient, which: string): Promise<KeyDto> {
  if (ID.test(which)) return api.get(`/api/v1/keys/${which}`, keySchema);
  const { data } = await api.list('/api/v1/keys?revoked=true', keySchema);
  const byPrefix = data.filter(({ prefix }) => which.startsWith(prefix));
  const live = data.filter(({ name, revokedAt }) => name === which && revokedAt === null);
  const found = byPrefix.length > 0 ? byPrefix : live;
  const [key] = found;
  if (key && found.length === 1) return key;
  if (!key)
    throw new ApiError(
      `No key that can be used is called '${which}': 'espalier keys list' shows them.`,
      'api_key_not_found',
      404,
    );
  throw new UsageError(
    `Several keys are called '${which}': ${found.map(({ prefix }) => prefix).join(', ')}. Take one of these.`,
  );
}
