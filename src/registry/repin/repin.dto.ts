/** A revision that was accepted on another revision of its parent. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';
import { revisionReference, revisionSchema } from '../dto/revision.dto.js';

export const repinBody = z.strictObject({
  /** The one that was checked; left out, the head. */
  revision: revisionReference.optional(),
  /** The parent's revision that it was checked on; left out, the parent's head. */
  trainedOn: revisionReference.optional(),
  message: plainText(2000).optional(),
});
export type Repin = z.infer<typeof repinBody>;

export const repinnedSchema = revisionSchema
  .extend({
    repinOf: z.number().describe('Number of the revision whose adapter it has.'),
    promoted: z.boolean().describe('It took over as the head, which was the other.'),
    outcome: z
      .enum(['created', 'existing', 'unchanged'])
      .describe('Made; there already, as the same adapter on the same parent revision; or it stands on that itself.'),
  })
  .meta({ id: 'RepinnedRevision' });
export type RepinnedDto = z.infer<typeof repinnedSchema>;
