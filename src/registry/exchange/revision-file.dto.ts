import { z } from 'zod';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../adapter-staging.js';

export const revisionFileParams = z.strictObject({
  /** Of the revision. */
  id: z.string().min(1).max(64),
  name: z.enum([ADAPTER_CONFIG, ADAPTER_WEIGHTS]),
});
export type RevisionFile = z.infer<typeof revisionFileParams>;
