/** Nodes whose heads are to stay in host memory: pinned and unpinned. `PinnedNodes` tells the engine. */
import { Inject, Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import { CONFIG, type Config } from '../../config.js';
import type { Transaction } from '../../database/database.js';
import { PinBudgetExceededError } from '../../errors/merges.js';
import { RootNodeError } from '../../errors/nodes.js';
import type { NodeRecord } from '../../tree/records.js';
import type { NodeDto } from '../dto/node.dto.js';
import { targetsSchema } from '../dto/revision.dto.js';
import { NodeChanges } from '../node-changes.js';
import { TreeMirror } from '../tree-mirror.js';
import { foldedBytes } from './head-bytes.js';
import { pinnedHeads, type PinnedHead } from './pinned-heads.js';

@Injectable()
export class PinsService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly changes: NodeChanges,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** On all instances and for good, whatever its head is. Refused where it doesn't fit beside what is pinned. */
  pin(context: RequestContext, idOrPath: string, expectedVersion?: number): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, async (node, path, transaction) => {
      if (node.parentId === null) throw new RootNodeError(path, 'has no adapter of its own that could be pinned');
      if (node.pinned) return null;
      await this.#refuseOverBudget(transaction, node, path);
      return {
        action: 'node.pin',
        data: { pinnedAt: new Date() },
        before: { pinned: false },
        after: { pinned: true },
      };
    });
  }

  unpin(context: RequestContext, idOrPath: string, expectedVersion?: number): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, (node) =>
      node.pinned
        ? { action: 'node.unpin', data: { pinnedAt: null }, before: { pinned: true }, after: { pinned: false } }
        : null,
    );
  }

  async #refuseOverBudget(transaction: Transaction, node: NodeRecord, path: string): Promise<void> {
    const { tree } = this.mirror;
    const head = node.headId === null ? undefined : tree.revision(node.headId);
    if (!head) return;
    const kept = pinnedHeads(tree.pinnedNodes);
    // The same bytes are kept once, whichever nodes serve them.
    if (kept.some(({ revision }) => revision.digest === head.digest)) return;
    const wanted: PinnedHead = { nodeId: node.id, modelId: node.modelId, revision: head };
    const bytes = await this.#bytesOf(transaction, [...kept, wanted]);
    const needed = bytes.get(head.digest) ?? 0;
    const used = [...bytes.values()].reduce((sum, each) => sum + each, 0) - needed;
    const { hostBudgetBytes: budget } = this.config.engine;
    if (used + needed > budget) throw new PinBudgetExceededError(path, needed, used, budget);
  }

  /** By revision digest. */
  async #bytesOf(transaction: Transaction, heads: readonly PinnedHead[]): Promise<Map<string, number>> {
    const rows = await transaction.revision.findMany({
      where: { id: { in: heads.map(({ revision }) => revision.id) } },
      select: { id: true, targets: true },
    });
    const targets = new Map(rows.map((row) => [row.id, targetsSchema.parse(row.targets)]));
    return new Map(
      heads.map(({ modelId, revision }) => {
        const model = this.mirror.model(modelId);
        return [revision.digest, model ? foldedBytes(model.config, targets.get(revision.id) ?? {}) : 0];
      }),
    );
  }
}
