/**
 * Nodes that are deleted, and brought back. A deleted node is in no tree, gives its name up and keeps its rows; its
 * revisions go with the first collection of garbage whose grace period is over.
 *
 * What is served elsewhere never stands on what is deleted: only a node's present ancestors count, and they can't go
 * without it. A node that was moved away by force remembers all the same what it was trained on, so that is asked for.
 */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import type { Caller } from '../../access/scope.js';
import type { Transaction } from '../../database/database.js';
import {
  DeletedAboveError,
  NodeHasChildrenError,
  NodeNotFoundError,
  NodePurgedError,
  RootNodeError,
  TrainedOnElsewhereError,
} from '../../errors/nodes.js';
import { NodeTooDeepError } from '../../errors/tree-shape.js';
import { MAX_DEPTH } from '../../tree/path.js';
import type { NodeRecord } from '../../tree/records.js';
import type { NodeDto } from '../dto/node.dto.js';
import { NodeChanges } from '../node-changes.js';
import { findNode, isVisible } from '../node-lookup.js';
import { viewNode } from '../node-view.js';
import { toNodeRecord } from '../records-of-rows.js';
import { RegistryWrites, unchanged } from '../registry-writes.js';
import { TreeMirror } from '../tree-mirror.js';
import { redirectsUnder } from './redirect-rows.js';
import type { DeletedNodeDto, DeleteNode } from './removal.dto.js';
import { markPresent, readSubtree } from './subtree-change.js';
import {
  deleteBelow,
  deletedName,
  deletedTogether,
  dropRedirectsOf,
  lineageOfRow,
  nameBefore,
  trainedElsewhere,
  type LineageRow,
} from './subtree-rows.js';

/** More aren't named. */
const MAX_NAMED = 20;

@Injectable()
export class RemovalsService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly changes: NodeChanges,
  ) {}

  /** With all that is below it, if that is asked for. */
  delete(
    context: RequestContext,
    idOrPath: string,
    { recursive, force }: DeleteNode,
    expectedVersion?: number,
  ): Promise<DeletedNodeDto> {
    return this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const node = findNode(tree, idOrPath, context.caller);
      const { id } = node;
      await this.changes.expectVersion(transaction, node, expectedVersion);
      const path = tree.pathOf(id);
      if (node.parentId === null) throw new RootNodeError(path, 'is the model itself, which stays');
      const below = this.#countBelow(id);
      if (below > 0 && !recursive) throw new NodeHasChildrenError(path, below);
      if (!force) await this.#refuseTrainedElsewhere(transaction, node, path, context.caller);

      const parents = (await dropRedirectsOf(transaction, id)).filter(
        (parentId) => tree.node(parentId) && !tree.isWithin(parentId, id),
      );
      const deletedAt = new Date();
      const data = { deletedAt, name: deletedName(node.name, id), version: { increment: 1 } };
      await transaction.node.update({ where: { id }, data });
      await deleteBelow(transaction, id);
      const nodes = below + 1;
      return {
        result: { id, path, nodes, deletedAt: deletedAt.toISOString() },
        change: { removedNodes: [id], redirects: await redirectsUnder(transaction, parents) },
        audit: [{ action: 'node.delete', nodeId: id, path, before: { path }, after: { nodes } }],
      };
    });
  }

  /** To where it was: that name has to be free. Leaves a node that is there as it is. */
  async undelete(context: RequestContext, id: string): Promise<NodeDto> {
    const row = await this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const lineage = tree.node(id) ? [] : await lineageOfRow(transaction, id);
      const deleted = lineage[0];
      if (!deleted) {
        const { id: nodeId } = findNode(tree, id, context.caller);
        const present = await transaction.node.findUniqueOrThrow({ where: { id: nodeId } });
        return unchanged(present);
      }
      this.#requireVisible(lineage, context.caller);
      const { name, parentId } = placeOf(lineage);
      const together = await deletedTogether(transaction, id);
      const ids = together.map((one) => one.id);
      const purged = await transaction.revision.count({
        where: { nodeId: { in: ids }, purgedAt: { not: null } },
      });
      if (purged > 0) throw new NodePurgedError(id, purged);
      const before = await transaction.node.findUniqueOrThrow({ where: { id } });
      tree.check({ ...toNodeRecord(before), name, parentId }, { within: context.caller.subtree });
      const path = `${tree.pathOf(parentId)}/${name}`;
      const height = Math.max(...together.map(({ depth }) => depth));
      if (path.split('/').length - 1 + height > MAX_DEPTH) throw new NodeTooDeepError(path, MAX_DEPTH);

      await markPresent(transaction, ids);
      const result = await transaction.node.update({ where: { id }, data: { name } });
      return {
        result,
        change: await readSubtree(transaction, ids),
        audit: [{ action: 'node.undelete', nodeId: id, path, before: null, after: { path, nodes: ids.length } }],
      };
    });
    return viewNode(this.mirror.tree, row);
  }

  async #refuseTrainedElsewhere(
    transaction: Transaction,
    { id }: NodeRecord,
    path: string,
    caller: Caller,
  ): Promise<void> {
    const { tree } = this.mirror;
    const elsewhere = await trainedElsewhere(transaction, id);
    if (elsewhere.length === 0) return;
    const visible = elsewhere.filter((other) => tree.node(other) && isVisible(tree, caller, other));
    const named = visible.slice(0, MAX_NAMED).map((other) => tree.pathOf(other));
    throw new TrainedOnElsewhereError(path, elsewhere.length, named);
  }

  /** Where it was must lie at or below a node that the caller sees. */
  #requireVisible(lineage: readonly LineageRow[], { subtree }: Caller): void {
    if (subtree === null) return;
    const isBelow = lineage.some(({ id }) => id === subtree);
    if (!isBelow || !this.mirror.tree.node(subtree)) throw new NodeNotFoundError(lineage[0]?.id ?? '');
  }

  #countBelow(id: string): number {
    const { tree } = this.mirror;
    let count = -1;
    for (const stack = [id]; stack.length > 0; count++) {
      tree.visitChildren(stack.pop() ?? '', (child) => {
        stack.push(child.id);
        return false;
      });
    }
    return count;
  }
}

/** Name and parent before the deletion. `lineage`: of a node that was deleted. */
function placeOf(lineage: readonly LineageRow[]): { name: string; parentId: string } {
  const [deleted, parent] = lineage;
  const name = deleted && nameBefore(deleted.name);
  if (!deleted || !parent || name == null || parent.deletedAt !== null) {
    const above = lineage.slice(1).find((row) => nameBefore(row.name) !== null);
    throw new DeletedAboveError(deleted?.id ?? '', above?.id ?? '');
  }
  return { name, parentId: parent.id };
}
