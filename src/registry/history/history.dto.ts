/** One move of a node's head as clients see it. */
import { z } from 'zod';
import { HEAD_REASONS } from '../head-moves.js';

export const headMoveSchema = z
  .object({
    at: z.iso.datetime(),
    reason: z.enum(HEAD_REASONS),
    revision: z
      .object({ id: z.string(), number: z.number(), digest: z.string(), recalled: z.boolean() })
      .nullable()
      .describe('What the node served from then on; null for nothing.'),
    before: z.number().nullable().describe('Number of the head before it.'),
    by: z
      .object({ keyId: z.string().nullable(), keyName: z.string() })
      .nullable()
      .describe('Who moved it; null where that was not kept yet.'),
  })
  .meta({ id: 'HeadMove' });
export type HeadMoveDto = z.infer<typeof headMoveSchema>;

export interface HeadMoveRow {
  reason: string;
  keyId: string | null;
  keyName: string | null;
  createdAt: Date;
  revision: { id: string; number: number; digest: string; recalledAt: Date | null } | null;
}

/** What a query must include for `toHeadMoveDto`. */
export const headMoveRelations = {
  revision: { select: { id: true, number: true, digest: true, recalledAt: true } },
} as const;

/** `before`: the move before it. */
export function toHeadMoveDto(row: HeadMoveRow, before: HeadMoveRow | undefined): HeadMoveDto {
  const { revision } = row;
  return {
    at: row.createdAt.toISOString(),
    reason: headMoveSchema.shape.reason.parse(row.reason),
    revision: revision && {
      id: revision.id,
      number: revision.number,
      digest: revision.digest,
      recalled: revision.recalledAt !== null,
    },
    before: before?.revision?.number ?? null,
    by: row.keyName === null ? null : { keyId: row.keyId, keyName: row.keyName },
  };
}
