/** The lineage of a subtree as clients see it. */
import { z } from 'zod';
import { policySchema } from '../dto/node.dto.js';

export const LINEAGE_FORMATS = ['json', 'gexf', 'dot', 'hf'] as const;
export type LineageFormat = (typeof LINEAGE_FORMATS)[number];

export const lineageQuery = z.strictObject({
  /** Id or path. */
  node: z.string().min(1).max(4096),
  /** JSON, GEXF 1.3, Graphviz, or the metadata of Hugging Face model cards. */
  format: z.enum(LINEAGE_FORMATS).default('json'),
});
export type LineageQuery = z.output<typeof lineageQuery>;

const number = z.number().nullable();

export const lineageSchema = z
  .object({
    node: z.string().describe('Path of the topmost node.'),
    model: z
      .object({ name: z.string(), digest: z.string().nullable() })
      .describe('To a key that is bound to a subtree of it, its name alone.'),
    nodes: z
      .array(
        z.object({
          id: z.string(),
          path: z.string(),
          policy: policySchema,
          disabled: z.boolean(),
          archived: z.boolean(),
          detached: z.boolean(),
          stale: z.boolean().describe('By itself, or because of a node above.'),
          head: number,
          aliases: z.array(z.object({ name: z.string(), revision: z.number() })),
          revisions: z.array(
            z.object({
              number: z.number(),
              digest: z.string(),
              trainedOn: number.describe("Number of the parent's revision."),
              rank: z.number(),
              bytes: z.number(),
              recalled: z.boolean(),
              fallback: number.describe('Number of the revision that stands in for it.'),
            }),
          ),
        }),
      )
      .describe('Each before its children, siblings by name.'),
    edges: z
      .array(
        z.object({
          parent: z.string().describe('Id of a node.'),
          child: z.string().describe('Id of a node.'),
          policy: policySchema,
          trainedOn: number.describe("Number of the parent's revision that the child's head was trained on."),
          parentHead: number,
          stale: z.boolean().describe('Those are two.'),
        }),
      )
      .describe('From each parent to its children.'),
  })
  .meta({ id: 'Lineage' });
export type LineageDto = z.infer<typeof lineageSchema>;
