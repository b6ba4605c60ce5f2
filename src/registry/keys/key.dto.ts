/** An API key as those see it who manage keys. The key itself is shown once, where it is made. */
import { z } from 'zod';
import { flag } from '../../http/flag.js';
import { ALL_SCOPES } from '../../access/scopes.js';
import { plainText } from '../../http/plain-text.js';
import { pageQuery } from '../dto/page.js';

const name = plainText(100).min(1);
const scopes = z
  .array(z.enum(ALL_SCOPES))
  .min(1)
  .transform((given) => ALL_SCOPES.filter((scope) => given.includes(scope)));
const limit = z.number().int().min(1).max(1_000_000_000).nullable();
const expiresAt = z.iso.datetime({ offset: true }).nullable();

export const createKeyBody = z.strictObject({
  name,
  scopes,
  subtree: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .describe(
      'The node, by id or path, at and below which the key is good; left out, everywhere. Bound to the node, not its name.',
    ),
  expiresAt: expiresAt.default(null),
  requestsPerMinute: limit.default(null),
  tokensPerMinute: limit.default(null),
});
export type CreateKey = z.output<typeof createKeyBody>;

/** What is left out stays as it is. A key's subtree never changes. */
export const updateKeyBody = z
  .strictObject({
    name: name.optional(),
    scopes: scopes.optional(),
    expiresAt: expiresAt.optional(),
    requestsPerMinute: limit.optional(),
    tokensPerMinute: limit.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, {
    message: 'Name at least one of name, scopes, expiresAt, requestsPerMinute, tokensPerMinute.',
  })
  .meta({ minProperties: 1 });
export type UpdateKey = z.output<typeof updateKeyBody>;

export const rotateKeyBody = z.strictObject({
  overlapSeconds: z
    .number()
    .int()
    .min(0)
    .max(30 * 24 * 3600)
    .default(0)
    .describe('How long the old key goes on beside the new one.'),
});
export type RotateKey = z.output<typeof rotateKeyBody>;

export const listKeysQuery = pageQuery.extend({
  revoked: flag().describe('Also those that were revoked.'),
});
export type ListKeys = z.output<typeof listKeysQuery>;

export const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().describe('What the key begins with.'),
    scopes: z.array(z.enum(ALL_SCOPES)),
    subtree: z
      .object({ nodeId: z.string(), path: z.string().nullable() })
      .nullable()
      .describe('Path is null once the node is deleted: the key is good for nothing then.'),
    expiresAt: z.iso.datetime().nullable(),
    requestsPerMinute: z.number().nullable(),
    tokensPerMinute: z.number().nullable(),
    lastUsedAt: z.iso.datetime().nullable().describe('To within some seconds.'),
    revokedAt: z.iso.datetime().nullable(),
    createdAt: z.iso.datetime(),
    version: z.number(),
  })
  .meta({ id: 'Key' });
export type KeyDto = z.infer<typeof keySchema>;

export const newKeySchema = keySchema
  .extend({
    key: z.string().describe('The whole key: it is shown this once.'),
  })
  .meta({ id: 'NewKey' });
export type NewKeyDto = z.infer<typeof newKeySchema>;

export interface KeyRow {
  id: string;
  name: string;
  prefix: string;
  scopes: string[];
  subtreeId: string | null;
  expiresAt: Date | null;
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  createdAt: Date;
  version: number;
}

/** `lastUse`: a use that isn't written yet. */
export function toKeyDto(row: KeyRow, subtreePath: string | null, lastUse: Date | null = null): KeyDto {
  const used = [row.lastUsedAt, lastUse].filter((at) => at !== null).sort((a, b) => b.getTime() - a.getTime())[0];
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: ALL_SCOPES.filter((scope) => row.scopes.includes(scope)),
    subtree: row.subtreeId === null ? null : { nodeId: row.subtreeId, path: subtreePath },
    expiresAt: row.expiresAt?.toISOString() ?? null,
    requestsPerMinute: row.requestsPerMinute,
    tokensPerMinute: row.tokensPerMinute,
    lastUsedAt: used?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    version: row.version,
  };
}
