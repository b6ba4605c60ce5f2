/** An alias of a node as clients see it. */
import { z } from 'zod';
import { isAlias } from '../../tree/path.js';
import { revisionReference } from '../dto/revision.dto.js';

export const aliasName = z
  .string()
  .refine(isAlias, {
    message: 'An alias has up to 64 characters: a lower-case letter first, then those, digits, ".", "_" or "-".',
  })
  .meta({ pattern: '^[a-z][a-z0-9._-]{0,63}$' });

export const setAliasBody = z.strictObject({
  /** Number or id of a revision of the node. */
  revision: revisionReference,
  /** Whether it takes the scope `promote` to move it; left out, that stays as it is, and a new alias isn't protected. */
  protected: z.boolean().optional(),
});
export type SetAlias = z.infer<typeof setAliasBody>;

export const aliasSchema = z
  .object({
    nodeId: z.string(),
    path: z.string().describe('Of the node.'),
    name: z.string(),
    revision: z.object({ id: z.string(), number: z.number(), digest: z.string() }),
    protected: z.boolean().describe('Moved by those alone who may promote.'),
    version: z.number().describe('Counts its changes; send it as If-Match to change only what you have seen.'),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Alias' });
export type AliasDto = z.infer<typeof aliasSchema>;

export const aliasOutcome = z.enum(['created', 'changed', 'unchanged']);

export const setAliasSchema = aliasSchema
  .extend({
    outcome: aliasOutcome,
    before: z.number().nullable().describe('Number of the revision that it named before; null for a new alias.'),
  })
  .meta({ id: 'AliasSet' });
export type SetAliasDto = z.infer<typeof setAliasSchema>;

export interface AliasRow {
  nodeId: string;
  name: string;
  protected: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
  revision: { id: string; number: number; digest: string };
}

/** What a query must include for `toAliasDto`. */
export const aliasRelations = { revision: { select: { id: true, number: true, digest: true } } } as const;

export function toAliasDto(row: AliasRow, path: string): AliasDto {
  return {
    nodeId: row.nodeId,
    path,
    name: row.name,
    revision: row.revision,
    protected: row.protected,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
