/** The places of a tree: made, looked up, moved, switched off and on. */
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { Prisma } from '../database/generated/client.js';
import { MoveChangesSumsError, NodeDetachedError, RootNodeError } from '../errors.js';
import type { NodeRecord } from '../tree/records.js';
import type { CreateNode, ListNodes, MoveNode, NodeDto, UpdateNode } from './dto/node.dto.js';
import { cursorKey, toPage, type Page } from './dto/page.js';
import { affectedByMove } from './move-effects.js';
import { findNode, plainNames } from './node-lookup.js';
import { viewNode } from './node-view.js';
import { NodeWalk } from './node-walk.js';
import { toNodeRecord } from './records-of-rows.js';
import { RegistryWrites } from './registry-writes.js';
import { TreeMirror } from './tree-mirror.js';

const NODE_PATH = /^[a-z0-9._/-]+$/;

@Injectable()
export class NodesService {
  constructor(
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly walk: NodeWalk,
  ) {}

  get(idOrPath: string): NodeDto {
    return viewNode(this.mirror.tree, findNode(this.mirror.tree, idOrPath));
  }

  async list({ under, limit, cursor }: ListNodes): Promise<Page<NodeDto>> {
    const { tree } = this.mirror;
    const start = under === undefined ? null : tree.pathOf(findNode(tree, under).id);
    const found = await this.walk.take({ limit: limit + 1, after: cursorKey(cursor, NODE_PATH), under: start });
    return toPage(
      found,
      limit,
      ({ path }) => path,
      ({ record }) => viewNode(tree, record),
    );
  }

  create({ path, policy }: CreateNode): Promise<NodeDto> {
    return this.writes
      .commit(async (transaction) => {
        const { tree } = this.mirror;
        const { parent, name } = this.#place(path);
        const { id, modelId } = parent;
        tree.check({ ...EMPTY, id: '', modelId, parentId: id, name, policy });
        const row = await transaction.node.create({ data: { id: ulid(), modelId, parentId: id, name, policy } });
        return { result: row.id, apply: () => tree.setNode(toNodeRecord(row)) };
      })
      .then((id) => this.get(id));
  }

  update(idOrPath: string, { policy }: UpdateNode): Promise<NodeDto> {
    return this.#change(idOrPath, (node, path) => {
      if (node.parentId === null) throw new RootNodeError(path, 'has no parent whose revisions it could follow');
      if (node.detached && policy === 'pinned') throw new NodeDetachedError(path);
      return { policy };
    });
  }

  setDisabled(idOrPath: string, disabled: boolean): Promise<NodeDto> {
    return this.#change(idOrPath, (node) =>
      node.disabled === disabled ? null : { disabledAt: disabled ? new Date() : null },
    );
  }

  /** A new name or parent. Refused where that gives anything other adapters to stand on, unless forced. */
  move(idOrPath: string, { path: target, force }: MoveNode): Promise<NodeDto> {
    return this.#change(idOrPath, (node, path) => {
      const { tree } = this.mirror;
      if (node.parentId === null)
        throw new RootNodeError(path, 'stays where it is. Import it again under another name');
      const { parent, name } = this.#place(target);
      const moved = { ...node, parentId: parent.id, name };
      tree.check(moved);
      if (parent.id === node.parentId) return name === node.name ? null : { name };
      const affected = affectedByMove(tree, node, parent);
      if (affected.length === 0) return { name, parentId: parent.id };
      if (!force) throw new MoveChangesSumsError(path, target, affected);
      return { name, parentId: parent.id, policy: 'follow', detached: true };
    });
  }

  /** `change` says what to write; null leaves everything as it is. */
  #change(
    idOrPath: string,
    change: (node: NodeRecord, path: string) => Prisma.NodeUncheckedUpdateInput | null,
  ): Promise<NodeDto> {
    return this.writes
      .commit(async (transaction) => {
        const { tree } = this.mirror;
        const node = findNode(tree, idOrPath);
        const data = change(node, tree.pathOf(node.id));
        if (data === null) return { result: node.id, apply: () => undefined };
        const row = await transaction.node.update({ where: { id: node.id }, data });
        return { result: row.id, apply: () => tree.setNode(toNodeRecord(row)) };
      })
      .then((id) => this.get(id));
  }

  /** Where a path puts a node: its parent exists, itself it need not. */
  #place(path: string): { parent: NodeRecord; name: string } {
    const names = plainNames(path);
    const name = names.pop() ?? '';
    if (names.length === 0) throw new RootNodeError(name, 'is made by importing a model, and by nothing else');
    return { parent: this.mirror.tree.find(names.join('/')), name };
  }
}

const EMPTY = { disabled: false, detached: false, headId: null };
