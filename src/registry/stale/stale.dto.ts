/** A node whose parent's head moved on, as clients see it. */
import { z } from 'zod';
import { pageQuery } from '../dto/page.js';
import { policySchema } from '../dto/node.dto.js';

export const listStaleQuery = pageQuery.extend({
  /** At and below this node alone. */
  under: z.string().min(1).max(4096).optional(),
});
export type ListStale = z.output<typeof listStaleQuery>;

const link = {
  head: z.number().describe('Number of the revision that the node serves by default.'),
  trainedOn: z.number().nullable().describe("Number of the parent's revision that it was trained on."),
  parentHead: z.number().nullable().describe("Number of the parent's head."),
};

export const staleNodeSchema = z
  .object({
    nodeId: z.string(),
    path: z.string(),
    policy: policySchema,
    detached: z.boolean().describe('It was trained under another parent: `trainedOn` is a revision of that one.'),
    ...link,
    chain: z
      .array(z.object({ path: z.string(), ...link }))
      .describe('All nodes on the way to it, itself last, whose parent moved on.'),
    below: z
      .object({ nodes: z.number(), more: z.boolean().describe('There are more than were counted.') })
      .describe('Nodes below it, which are stale because of it.'),
  })
  .meta({ id: 'StaleNode' });
export type StaleNodeDto = z.infer<typeof staleNodeSchema>;
