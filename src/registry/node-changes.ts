/** What every change of a node has in common: it is found, its version is the one that was seen, the change is recorded. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../access/request-context.js';
import { Database, type Transaction } from '../database/database.js';
import type { Prisma, Node as NodeRow } from '../database/generated/client.js';
import { VersionConflictError } from '../errors/requests.js';
import type { NodeRecord } from '../tree/records.js';
import type { AuditInput } from './audit-log.js';
import type { RegistryChange } from './changed-rows.js';
import type { NodeDto } from './dto/node.dto.js';
import { findNode } from './node-lookup.js';
import { viewNode } from './node-view.js';
import { toNodeRecord } from './records-of-rows.js';
import { RegistryWrites, unchanged } from './registry-writes.js';
import { TreeMirror } from './tree-mirror.js';

export interface NodeChange {
  action: string;
  /** Columns of the node's row. */
  data: Prisma.NodeUncheckedUpdateInput;
  before: Prisma.InputJsonObject;
  after: Prisma.InputJsonObject;
  /** What else changes with it. */
  also?: RegistryChange;
  /** Entries of the audit log next to its own. */
  moreAudit?: AuditInput[];
}

@Injectable()
export class NodeChanges {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
  ) {}

  /** `plan` says what to write, and may write other rows itself; null leaves everything as it is. */
  async change(
    context: RequestContext,
    idOrPath: string,
    expectedVersion: number | undefined,
    plan: (node: NodeRecord, path: string, transaction: Transaction) => Promise<NodeChange | null> | NodeChange | null,
  ): Promise<NodeDto> {
    const { tree } = this.mirror;
    const row = await this.writes.commit(context, async (transaction) => {
      const node = findNode(tree, idOrPath, context.caller);
      await this.expectVersion(transaction, node, expectedVersion);
      const planned = await plan(node, tree.pathOf(node.id), transaction);
      if (planned === null) {
        return unchanged(await transaction.node.findUniqueOrThrow({ where: { id: node.id } }));
      }
      const { action, data, before, after, also = {}, moreAudit = [] } = planned;
      const changed = await transaction.node.update({
        where: { id: node.id },
        data: { ...data, version: { increment: 1 } },
      });
      return {
        result: changed,
        change: { ...also, nodes: [...(also.nodes ?? []), toNodeRecord(changed)] },
        audit: [{ action, nodeId: node.id, path: this.#pathAfter(changed), before, after }, ...moreAudit],
      };
    });
    return viewNode(this.mirror.tree, row);
  }

  /** Throws with the node as it is now, where it isn't as the caller has seen it. */
  async expectVersion(transaction: Transaction, node: NodeRecord, expected: number | undefined): Promise<void> {
    if (expected === undefined || node.version === expected) return;
    const row = await transaction.node.findUniqueOrThrow({ where: { id: node.id } });
    const current = viewNode(this.mirror.tree, row);
    throw new VersionConflictError(`"${current.path}"`, expected, node.version, current);
  }

  async get(context: RequestContext, idOrPath: string): Promise<NodeDto> {
    const { id } = findNode(this.mirror.tree, idOrPath, context.caller);
    const row = await this.database.client.node.findUniqueOrThrow({ where: { id } });
    return viewNode(this.mirror.tree, row);
  }

  #pathAfter({ parentId, name }: NodeRow): string {
    return parentId === null ? name : `${this.mirror.tree.pathOf(parentId)}/${name}`;
  }
}
