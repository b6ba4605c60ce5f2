/**
 * All nodes below one, each before its children, siblings by name, from any place on. The order comes from the index
 * over (parent, name), so that a page costs the same at the end of a tree of a million nodes as at its start.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Node as NodeRow } from '../database/generated/client.js';
import type { NodeRecord } from '../tree/records.js';
import { TreeMirror } from './tree-mirror.js';

export interface WalkedNode {
  record: NodeRecord;
  path: string;
  row: NodeRow;
}

export interface WalkOptions {
  /** Nodes wanted at the most. */
  limit: number;
  /** Path of the last node given out; null starts from the beginning. */
  after: string | null;
  /** Path of the node at which the walk starts, itself included; null walks all trees by the models' names. */
  under: string | null;
  /** False leaves a node out together with all that is below it. */
  enter?: (record: NodeRecord) => boolean;
}

type Step = Required<Pick<WalkOptions, 'limit' | 'enter'>>;

@Injectable()
export class NodeWalk {
  readonly #database: Database;
  readonly #mirror: TreeMirror;

  constructor(database: Database, mirror: TreeMirror) {
    this.#database = database;
    this.#mirror = mirror;
  }

  async take({ limit, after, under, enter = () => true }: WalkOptions): Promise<WalkedNode[]> {
    const step = { limit, enter };
    const walk = under === null ? this.#all(after, step) : this.#from(await this.#start(under), after, step);
    const found: WalkedNode[] = [];
    for await (const node of walk) {
      found.push(node);
      if (found.length >= limit) break;
    }
    return found;
  }

  async #start(path: string): Promise<WalkedNode> {
    const record = this.#mirror.tree.find(path);
    const row = await this.#database.client.node.findUniqueOrThrow({ where: { id: record.id } });
    return { record, path, row };
  }

  async *#all(after: string | null, step: Step): AsyncGenerator<WalkedNode> {
    const lastModel = after?.split('/')[0] ?? '';
    for (const { name } of this.#mirror.models()) {
      if (name < lastModel) continue;
      yield* this.#from(await this.#start(name), name === lastModel ? after : null, step);
    }
  }

  async *#from(start: WalkedNode, after: string | null, step: Step): AsyncGenerator<WalkedNode> {
    if (!step.enter(start.record)) return;
    if (after === null) yield start;
    const inside = after === null || after === start.path ? [] : after.slice(start.path.length + 1).split('/');
    yield* this.#below(start, inside, step);
  }

  /** `inside`: the names that lead from `parent` to the last node given out; none where that is `parent` itself. */
  async *#below(parent: WalkedNode, inside: readonly string[], step: Step): AsyncGenerator<WalkedNode> {
    const { tree } = this.#mirror;
    const { id } = parent.record;
    let last = inside[0];
    const opened = last === undefined ? undefined : tree.child(id, last)?.record;
    if (opened && step.enter(opened)) {
      // It was given out already, so of it only record and path count.
      const node = { record: opened, path: `${parent.path}/${opened.name}`, row: parent.row };
      yield* this.#below(node, inside.slice(1), step);
    }
    while (tree.childCount(id) > 0) {
      const rows = await this.#childrenAfter(id, last, step.limit);
      for (const row of rows) {
        const record = tree.node(row.id);
        // A row that was committed a moment ago and isn't in the tree yet: the next listing has it.
        if (!record || !step.enter(record)) continue;
        const node = { record, path: `${parent.path}/${row.name}`, row };
        yield node;
        yield* this.#below(node, [], step);
      }
      last = rows.at(-1)?.name;
      if (last === undefined || rows.length < step.limit) return;
    }
  }

  #childrenAfter(parentId: string, name: string | undefined, limit: number) {
    return this.#database.client.node.findMany({
      where: { parentId, deletedAt: null, ...(name === undefined ? {} : { name: { gt: name } }) },
      orderBy: { name: 'asc' },
      take: limit,
    });
  }
}
