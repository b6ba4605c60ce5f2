/** What a recall, or its reversal, did and whom it concerns. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';
import { revisionReference } from '../dto/revision.dto.js';

export const recallBody = z.strictObject({
  revision: revisionReference,
  /** For people: it is kept with the revision, and in the audit log. */
  reason: plainText(2000).min(1),
  /**
   * The revision of the node that stands in for it; null: none, and the node contributes nothing there. Left out, it is
   * what a rollback would lead to if the revision is the head, else the head.
   */
  fallback: revisionReference.nullable().optional(),
});
export type Recall = z.infer<typeof recallBody>;

export const unrecallBody = z.strictObject({ revision: revisionReference });
export type Unrecall = z.infer<typeof unrecallBody>;

const number = z.number().nullable();

export const recallSchema = z
  .object({
    nodeId: z.string(),
    path: z.string().describe('Of the node.'),
    revision: z.object({ id: z.string(), number: z.number(), digest: z.string() }),
    recalled: z
      .object({ at: z.iso.datetime(), reason: z.string().nullable() })
      .nullable()
      .describe('Null after it was put back into service.'),
    fallback: number.describe('Number of the revision that stands in for it; null where none does.'),
    head: z.object({ before: number, after: number }).describe("Numbers of the node's heads."),
    aliases: z
      .array(z.object({ name: z.string(), after: number }))
      .describe('Those that named it, and what they name now; null: they were dropped.'),
    affected: z.object({
      total: z.number().describe('Revisions of child nodes that are pinned to it.'),
      children: z
        .array(
          z.object({
            nodeId: z.string(),
            path: z.string(),
            revision: z.number(),
            isHead: z.boolean().describe('It is what the child serves by default.'),
            servedOn: number.describe("Number of this node's revision that it is served on now; null: none."),
          }),
        )
        .describe('By name, up to 100 of them.'),
    }),
    unchanged: z.boolean().describe('All was so already: nothing was done.'),
    version: z.number().describe("The node's."),
  })
  .meta({ id: 'Recall' });
export type RecallDto = z.infer<typeof recallSchema>;
