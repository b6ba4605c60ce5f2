/** Tags of revisions: of all that was pushed, the one thing that people may change afterwards. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../access/request-context.js';
import { VersionConflictError } from '../errors/requests.js';
import type { RevisionDto, RevisionTags } from './dto/revision.dto.js';
import { toRevisionRecord } from './records-of-rows.js';
import { RegistryWrites, unchanged } from './registry-writes.js';
import { revisionOfId } from './revision-lookup.js';
import { revisionQuery, viewRevision } from './revision-view.js';
import { TreeMirror } from './tree-mirror.js';

@Injectable()
export class RevisionTagsService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
  ) {}

  set(context: RequestContext, id: string, { tags }: RevisionTags, expectedVersion?: number): Promise<RevisionDto> {
    return this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const { nodeId } = revisionOfId(tree, id, context.caller);
      const path = tree.pathOf(nodeId);
      const row = await transaction.revision.findUniqueOrThrow({ where: { id }, ...revisionQuery });
      const current = viewRevision(tree, row, context.caller);
      if (expectedVersion !== undefined && expectedVersion !== row.version) {
        throw new VersionConflictError(`Revision ${row.number} of "${path}"`, expectedVersion, row.version, current);
      }
      if (JSON.stringify(row.tags) === JSON.stringify(tags)) return unchanged(current);
      const changed = await transaction.revision.update({
        where: { id },
        data: { tags, version: { increment: 1 } },
        ...revisionQuery,
      });
      const { number } = row;
      return {
        result: viewRevision(tree, changed, context.caller),
        change: { revisions: [toRevisionRecord(changed)] },
        audit: [
          {
            action: 'revision.tag',
            nodeId,
            path,
            before: { revision: number, tags: row.tags },
            after: { revision: number, tags },
          },
        ],
      };
    });
  }
}
