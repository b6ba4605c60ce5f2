/** The places of a tree: made, looked up, moved, switched off and on, put away. */
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { RequestContext } from '../access/request-context.js';
import { RootNodeError } from '../errors/nodes.js';
import { MoveChangesSumsError, NodeDetachedError } from '../errors/tree-shape.js';
import type { NodeRecord } from '../tree/records.js';
import type { CreateNode, ListNodes, MoveNode, NodeDto, UpdateNode } from './dto/node.dto.js';
import { cursorKey, toPage, type Page } from './dto/page.js';
import { affectedByMove } from './move-effects.js';
import { NodeChanges } from './node-changes.js';
import { findNode, isPutAway, plainNames, refuseArchived } from './node-lookup.js';
import { viewNode } from './node-view.js';
import { NodeWalk } from './node-walk.js';
import { moveRedirects } from './places/redirect-rows.js';
import { toNodeRecord } from './records-of-rows.js';
import { RegistryWrites } from './registry-writes.js';
import { TreeMirror } from './tree-mirror.js';

const NODE_PATH = /^[a-z0-9._/-]+$/;

@Injectable()
export class NodesService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly changes: NodeChanges,
    private readonly walk: NodeWalk,
  ) {}

  get(context: RequestContext, idOrPath: string): Promise<NodeDto> {
    return this.changes.get(context, idOrPath);
  }

  async list({ caller }: RequestContext, { under, limit, cursor, archived }: ListNodes): Promise<Page<NodeDto>> {
    const { tree } = this.mirror;
    const top = under ?? caller.subtree;
    // A key that is bound to a node which was deleted.
    if (under === undefined && caller.subtree !== null && !tree.node(caller.subtree)) return EMPTY_PAGE;
    const start = top === null ? null : findNode(tree, top, caller);
    if (start && !archived && isPutAway(tree, start.id)) return EMPTY_PAGE;
    const found = await this.walk.take({
      limit: limit + 1,
      after: cursorKey(cursor, NODE_PATH),
      under: start && tree.pathOf(start.id),
      enter: (node) => archived || !node.archived,
    });
    return toPage(
      found,
      limit,
      ({ path }) => path,
      ({ row }) => viewNode(tree, row),
    );
  }

  async create(context: RequestContext, { path, policy, description, tags }: CreateNode): Promise<NodeDto> {
    const row = await this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const { parent, name } = this.#place(context, path);
      const { id, modelId } = parent;
      const node = { id: ulid(), modelId, parentId: id, name, policy };
      refuseArchived(tree, id);
      tree.check({ ...EMPTY, ...node }, { within: context.caller.subtree });
      const created = await transaction.node.create({ data: { ...node, description, tags } });
      return {
        result: created,
        change: { nodes: [toNodeRecord(created)] },
        audit: [
          {
            action: 'node.create',
            nodeId: node.id,
            path: `${tree.pathOf(id)}/${name}`,
            before: null,
            after: { policy, description, tags },
          },
        ],
      };
    });
    return viewNode(this.mirror.tree, row);
  }

  update(context: RequestContext, idOrPath: string, update: UpdateNode, expectedVersion?: number): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, async (node, path, transaction) => {
      const { policy, description, tags } = update;
      if (policy !== undefined && node.parentId === null) {
        throw new RootNodeError(path, 'has no parent whose revisions it could follow');
      }
      if (node.detached && policy === 'pinned') throw new NodeDetachedError(path);
      const row = await transaction.node.findUniqueOrThrow({ where: { id: node.id } });
      const data = { policy, description, tags };
      const before = { policy: row.policy, description: row.description, tags: row.tags };
      const after = { ...before, ...definedOnly(data) };
      if (JSON.stringify(before) === JSON.stringify(after)) return null;
      return { action: 'node.update', data, before, after };
    });
  }

  setDisabled(
    context: RequestContext,
    idOrPath: string,
    disabled: boolean,
    expectedVersion?: number,
  ): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, (node) =>
      node.disabled === disabled
        ? null
        : {
            action: disabled ? 'node.disable' : 'node.enable',
            data: { disabledAt: disabled ? new Date() : null },
            before: { disabled: !disabled },
            after: { disabled },
          },
    );
  }

  /** Puts the node away with all that is below it, or takes it out again. */
  setArchived(
    context: RequestContext,
    idOrPath: string,
    archived: boolean,
    expectedVersion?: number,
  ): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, (node) =>
      node.archived === archived
        ? null
        : {
            action: archived ? 'node.archive' : 'node.restore',
            data: { archivedAt: archived ? new Date() : null },
            before: { archived: !archived },
            after: { archived },
          },
    );
  }

  /** A new name or parent; the old path goes on leading to it. Refused where that gives anything other adapters to stand on, unless forced. */
  move(
    context: RequestContext,
    idOrPath: string,
    { path: target, force }: MoveNode,
    expectedVersion?: number,
  ): Promise<NodeDto> {
    return this.changes.change(context, idOrPath, expectedVersion, async (node, path, transaction) => {
      const { tree } = this.mirror;
      if (node.parentId === null) {
        throw new RootNodeError(path, 'stays where it is. Import it again under another name');
      }
      const { parent, name } = this.#place(context, target);
      tree.check({ ...node, parentId: parent.id, name }, { within: context.caller.subtree });
      const isRenamed = parent.id === node.parentId;
      if (isRenamed && name === node.name) return null;
      if (!isRenamed) refuseArchived(tree, parent.id);
      const now = `${tree.pathOf(parent.id)}/${name}`;
      const affected = isRenamed ? [] : affectedByMove(tree, node, parent);
      if (affected.length > 0 && !force) throw new MoveChangesSumsError(path, now, affected);
      const detach = affected.length > 0 ? { policy: 'follow', detached: true } : {};
      return {
        action: 'node.move',
        data: { name, parentId: parent.id, ...detach },
        before: { path, policy: node.policy, detached: node.detached },
        after: { path: now, policy: node.policy, detached: node.detached, ...detach },
        also: { redirects: await moveRedirects(transaction, node, { parentId: parent.id, name }) },
      };
    });
  }

  /** Where a path puts a node: its parent exists, itself it need not. */
  #place({ caller }: RequestContext, path: string): { parent: NodeRecord; name: string } {
    const names = plainNames(path);
    const name = names.pop() ?? '';
    if (names.length === 0) throw new RootNodeError(name, 'is made by importing a model, and by nothing else');
    return { parent: findNode(this.mirror.tree, names.join('/'), caller), name };
  }
}

const EMPTY_PAGE = { data: [], nextCursor: null };
const EMPTY = { disabled: false, detached: false, archived: false, pinned: false, headId: null, version: 1 };

function definedOnly<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
