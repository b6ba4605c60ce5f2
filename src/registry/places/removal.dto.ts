/** What a deletion takes and answers. */
import { z } from 'zod';
import { flag } from '../../http/flag.js';

export const deleteNodeQuery = z.strictObject({
  recursive: flag().describe('Deletes what is below it, too; else a node that has children stays.'),
  force: flag().describe(
    'Deletes it although heads of nodes elsewhere, which were moved away by force, were trained on it.',
  ),
});
export type DeleteNode = z.output<typeof deleteNodeQuery>;

export const deletedNodeSchema = z
  .object({
    id: z
      .string()
      .describe('Brings it back: POST /api/v1/nodes/<id>/undelete, until garbage collection has taken its revisions.'),
    path: z.string().describe('Where it was.'),
    nodes: z.number().describe('How many went, itself counted.'),
    deletedAt: z.iso.datetime(),
  })
  .meta({ id: 'DeletedNode' });
export type DeletedNodeDto = z.infer<typeof deletedNodeSchema>;
