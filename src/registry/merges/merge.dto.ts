/** A path with weights of its own, as clients see it. */
import { z } from 'zod';

export const mergeBody = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(4096)
    .describe('As in a request: with weights and revisions, if need be.')
    .meta({ examples: ['storyteller/french:0.8/verne'] }),
});
export type MergePath = z.infer<typeof mergeBody>;

export const MERGE_STATES = ['pending', 'ready', 'failed'] as const;

export const mergeSchema = z
  .object({
    id: z.string().nullable().describe('Null where it is merged for its traffic, on this instance, and not pinned.'),
    path: z.string(),
    nodeId: z.string(),
    digest: z.string().nullable().describe('Path digest of what it means now; null where it means nothing.'),
    pinned: z.boolean(),
    state: z
      .enum(MERGE_STATES)
      .describe('On the instance that answers. Until it is ready, and where it failed, the path is served factored.'),
    reason: z.object({ code: z.string(), message: z.string() }).nullable().describe('Why it failed.'),
    seconds: z.number().nullable().describe('From when this instance was asked for it to when it was ready.'),
    bytes: z.number().nullable().describe('Memory that its weights take.'),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Merge' });
export type MergeDto = z.infer<typeof mergeSchema>;
