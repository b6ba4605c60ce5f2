/** A node of a tree as clients see it. */
import { z } from 'zod';
import { flag } from '../../http/flag.js';
import { plainText } from '../../http/plain-text.js';
import { pageQuery } from './page.js';
import { tagsSchema } from './tags.js';

export const policySchema = z.enum(['pinned', 'follow']);

const description = plainText(2000);

export const createNodeBody = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(4096)
    .meta({ examples: ['storyteller/french/hugo'] }),
  policy: policySchema.default('pinned'),
  description: description.default(''),
  tags: tagsSchema.default([]),
});
export type CreateNode = z.output<typeof createNodeBody>;

/** What is left out stays as it is. */
export const updateNodeBody = z
  .strictObject({
    policy: policySchema.optional(),
    description: description.optional(),
    tags: tagsSchema.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, { message: 'Name at least one of policy, description, tags.' })
  .meta({ minProperties: 1 });
export type UpdateNode = z.infer<typeof updateNodeBody>;

export const moveNodeBody = z.strictObject({
  path: z.string().min(1).max(4096).describe('Where it goes, its name included.'),
  force: z.boolean().default(false).describe('Moves it although that changes what it and the nodes below it serve.'),
});
export type MoveNode = z.output<typeof moveNodeBody>;

export const listNodesQuery = pageQuery.extend({
  under: z.string().min(1).max(4096).optional().describe('Lists this node and all below it; left out, all trees.'),
  archived: flag().describe('Also those that were archived.'),
});
export type ListNodes = z.output<typeof listNodesQuery>;

export const nodeSchema = z
  .object({
    id: z.string(),
    path: z.string(),
    name: z.string(),
    model: z.string(),
    parent: z.string().nullable().describe('Path of the parent; null for the root, which is the bare base model.'),
    description: z.string(),
    tags: z.array(z.string()),
    policy: policySchema.describe('Which revision of the parent it is served with.'),
    disabled: z.boolean(),
    archived: z.boolean().describe('Put away, with all that is below it.'),
    pinned: z.boolean().describe("Its head's adapter stays in host memory."),
    detached: z.boolean().describe('Moved under another parent by force, and no revision since.'),
    stale: z
      .boolean()
      .describe("The parent's head is no longer what its head was trained on, or that is so further up."),
    head: z
      .object({ id: z.string(), number: z.number(), digest: z.string(), rank: z.number() })
      .nullable()
      .describe('What it serves by default; null while it has no revision.'),
    aliases: z.array(z.object({ name: z.string(), revision: z.number(), protected: z.boolean() })),
    revisions: z.number(),
    children: z.number(),
    version: z.number().describe('Counts its changes; send it as If-Match to change only what you have seen.'),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Node' });
export type NodeDto = z.infer<typeof nodeSchema>;

export interface NodeRow {
  id: string;
  name: string;
  description: string;
  tags: string[];
  policy: string;
  disabledAt: Date | null;
  archivedAt: Date | null;
  pinnedAt: Date | null;
  detached: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** What the tree knows about a node, next to its row. */
export interface NodeFacts {
  path: string;
  model: string;
  parent: string | null;
  stale: boolean;
  head: NodeDto['head'];
  aliases: NodeDto['aliases'];
  revisions: number;
  children: number;
}

export function toNodeDto(row: NodeRow, facts: NodeFacts): NodeDto {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    tags: row.tags,
    policy: policySchema.parse(row.policy),
    disabled: row.disabledAt !== null,
    archived: row.archivedAt !== null,
    pinned: row.pinnedAt !== null,
    detached: row.detached,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    ...facts,
  };
}
