/** Which revision a node serves by default, and the history of that. */
import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/database.js';
import { NothingToRollBackError, RevisionNotFoundError } from '../errors.js';
import type { NodeRecord, RevisionRecord } from '../tree/records.js';
import type { NodeDto } from './dto/node.dto.js';
import type { Promote } from './dto/revision.dto.js';
import { findNode } from './node-lookup.js';
import { viewNode } from './node-view.js';
import { toNodeRecord } from './records-of-rows.js';
import { RegistryWrites, type Change } from './registry-writes.js';
import { findRevision } from './revision-lookup.js';
import { TreeMirror } from './tree-mirror.js';

export type HeadReason = 'first' | 'promote' | 'rollback';

@Injectable()
export class HeadsService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
  ) {}

  /** Does nothing where the revision is the head already. */
  promote(idOrPath: string, { revision: reference }: Promote): Promise<NodeDto> {
    return this.#change(idOrPath, (transaction, node) => {
      const { tree } = this.mirror;
      const revision = findRevision(tree, node.id, reference);
      if (!revision) {
        const numbers = tree.revisions(node.id).map(({ number }) => number);
        throw new RevisionNotFoundError(tree.pathOf(node.id), reference, numbers);
      }
      return this.#setHead(transaction, node, revision.id, 'promote');
    });
  }

  /** To the head before this one; again, to the one before that. */
  rollback(idOrPath: string): Promise<NodeDto> {
    return this.#change(idOrPath, async (transaction, node) => {
      const history = await transaction.headChange.findMany({
        where: { nodeId: node.id },
        orderBy: { sequence: 'asc' },
        select: { revisionId: true, reason: true },
      });
      const previous = previousHead(history);
      if (previous === null) throw new NothingToRollBackError(this.mirror.tree.pathOf(node.id));
      return this.#setHead(transaction, node, previous, 'rollback');
    });
  }

  #change(
    idOrPath: string,
    work: (transaction: Transaction, node: NodeRecord) => Promise<Change<NodeRecord>>,
  ): Promise<NodeDto> {
    return this.writes
      .commit((transaction) => work(transaction, findNode(this.mirror.tree, idOrPath)))
      .then(({ id }) => viewNode(this.mirror.tree, findNode(this.mirror.tree, id)));
  }

  async #setHead(
    transaction: Transaction,
    node: NodeRecord,
    headId: RevisionRecord['id'],
    reason: HeadReason,
  ): Promise<Change<NodeRecord>> {
    if (node.headId === headId) return { result: node, apply: () => undefined };
    await transaction.headChange.create({ data: { nodeId: node.id, revisionId: headId, reason } });
    const row = await transaction.node.update({ where: { id: node.id }, data: { headId } });
    return { result: node, apply: () => this.mirror.tree.setNode(toNodeRecord(row)) };
  }
}

/** Promotions stack up, and a rollback takes the topmost away. */
export function previousHead(history: readonly { revisionId: string; reason: string }[]): string | null {
  const stack: string[] = [];
  for (const { revisionId, reason } of history) {
    if (reason === 'rollback') stack.pop();
    else stack.push(revisionId);
  }
  return stack.at(-2) ?? null;
}
