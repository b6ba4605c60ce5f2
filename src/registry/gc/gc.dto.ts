/** A collection of garbage: what is asked for, and what came of it. */
import { z } from 'zod';

const WEEK_S = 7 * 24 * 60 * 60;
const DECADE_S = 10 * 365 * 24 * 60 * 60;

export const gcBody = z.strictObject({
  dryRun: z.boolean().default(false).describe('Says what would be removed, and removes nothing.'),
  graceSeconds: z
    .number()
    .int()
    .min(0)
    .max(DECADE_S)
    .default(WEEK_S)
    .describe('Deleted nodes can come back for so long, and bytes that nobody has are kept for so long.'),
});
export type CollectGarbage = z.output<typeof gcBody>;

const counted = { removed: z.number(), removedBytes: z.number() };

export const gcReportSchema = z
  .object({
    dryRun: z.boolean(),
    graceSeconds: z.number(),
    revisions: z
      .object({ purged: z.number() })
      .describe('Of nodes that were deleted longer ago than the grace period.'),
    blobs: z
      .object({ ...counted, kept: z.number(), keptBytes: z.number() })
      .describe('Removed are those that no revision has any more and that are older than the grace period.'),
    models: z.object(counted).describe('Folders of imports that were never recorded.'),
    temporary: z.object({ removed: z.number() }).describe('What processes that died have left half-made.'),
  })
  .meta({ id: 'GarbageReport' });
export type GcReport = z.infer<typeof gcReportSchema>;
