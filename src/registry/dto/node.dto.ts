/** A node of a tree as clients see it. */
import { z } from 'zod';
import type { NodeRecord } from '../../tree/records.js';
import { pageQuery } from './page.js';

export const policySchema = z.enum(['pinned', 'follow']);

export const createNodeBody = z.strictObject({
  path: z.string().min(1).max(4096),
  policy: policySchema.default('pinned'),
});
export type CreateNode = z.output<typeof createNodeBody>;

export const updateNodeBody = z.strictObject({ policy: policySchema });
export type UpdateNode = z.infer<typeof updateNodeBody>;

export const moveNodeBody = z.strictObject({
  /** Where it goes, its name included. */
  path: z.string().min(1).max(4096),
  /** Moves it although that changes what it and the nodes below it serve. */
  force: z.boolean().default(false),
});
export type MoveNode = z.output<typeof moveNodeBody>;

export const listNodesQuery = pageQuery.extend({
  /** Lists this node and all below it; left out, all trees. */
  under: z.string().min(1).max(4096).optional(),
});
export type ListNodes = z.output<typeof listNodesQuery>;

export const nodeSchema = z.object({
  id: z.string(),
  path: z.string(),
  name: z.string(),
  model: z.string(),
  /** Path of the parent; null for the root, which is the bare base model. */
  parent: z.string().nullable(),
  /** Which revision of the parent it is served with. */
  policy: policySchema,
  disabled: z.boolean(),
  /** Moved under another parent by force, and no revision since. */
  detached: z.boolean(),
  /** The parent's head is no longer what its head was trained on, or that is so further up. */
  stale: z.boolean(),
  /** What it serves by default; null while it has no revision. */
  head: z.object({ id: z.string(), number: z.number(), digest: z.string(), rank: z.number() }).nullable(),
  revisions: z.number(),
  children: z.number(),
});
export type NodeDto = z.infer<typeof nodeSchema>;

/** What the tree knows about a node, next to its record. */
export interface NodeFacts {
  path: string;
  model: string;
  parent: string | null;
  stale: boolean;
  head: NodeDto['head'];
  revisions: number;
  children: number;
}

export function toNodeDto(record: NodeRecord, facts: NodeFacts): NodeDto {
  return {
    id: record.id,
    name: record.name,
    policy: record.policy,
    disabled: record.disabled,
    detached: record.detached,
    ...facts,
  };
}
