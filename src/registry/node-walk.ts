/**
 * All nodes below one, each before its children, siblings by name, from any place on. The tree says which they are, so
 * that a page takes one query for its rows, whatever the shape of the tree, and costs the same at the end of a tree of a
 * million nodes as at its start.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { Node as NodeRow } from '../database/generated/client.js';
import type { NodeRecord } from '../tree/records.js';
import { ChildPages } from './child-pages.js';
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

type Place = Omit<WalkedNode, 'row'>;
type Step = Required<Pick<WalkOptions, 'limit' | 'enter'>>;

@Injectable()
export class NodeWalk {
  readonly #database: Database;
  readonly #mirror: TreeMirror;
  readonly #children: ChildPages;

  constructor(database: Database, mirror: TreeMirror, children: ChildPages) {
    this.#database = database;
    this.#mirror = mirror;
    this.#children = children;
  }

  async take({ limit, after, under, enter = () => true }: WalkOptions): Promise<WalkedNode[]> {
    const step = { limit, enter };
    const walk = under === null ? this.#all(after, step) : this.#from(this.#place(under), after, step);
    const found: Place[] = [];
    for await (const node of walk) {
      found.push(node);
      if (found.length >= limit) break;
    }
    return this.#withRows(found);
  }

  #place(path: string): Place {
    return { record: this.#mirror.tree.find(path), path };
  }

  async *#all(after: string | null, step: Step): AsyncGenerator<Place> {
    const lastModel = after?.split('/')[0] ?? '';
    for (const { name } of this.#mirror.models()) {
      if (name < lastModel) continue;
      yield* this.#from(this.#place(name), name === lastModel ? after : null, step);
    }
  }

  async *#from(start: Place, after: string | null, step: Step): AsyncGenerator<Place> {
    if (!step.enter(start.record)) return;
    if (after === null) yield start;
    const inside = after === null || after === start.path ? [] : after.slice(start.path.length + 1).split('/');
    yield* this.#below(start, inside, step);
  }

  /** `inside`: the names that lead from `parent` to the last node given out; none where that is `parent` itself. */
  async *#below(parent: Place, inside: readonly string[], step: Step): AsyncGenerator<Place> {
    const { id } = parent.record;
    let last = inside[0];
    const opened = last === undefined ? undefined : this.#mirror.tree.child(id, last)?.record;
    if (opened && step.enter(opened)) {
      // It was given out already, and only what is below it is still to come.
      yield* this.#below({ record: opened, path: `${parent.path}/${opened.name}` }, inside.slice(1), step);
    }
    for (;;) {
      const children = await this.#children.after(id, last ?? null, step.limit);
      for (const record of children) {
        if (!step.enter(record)) continue;
        const node = { record, path: `${parent.path}/${record.name}` };
        yield node;
        yield* this.#below(node, [], step);
      }
      last = children.at(-1)?.name;
      if (last === undefined || children.length < step.limit) return;
    }
  }

  async #withRows(places: readonly Place[]): Promise<WalkedNode[]> {
    if (places.length === 0) return [];
    const rows = await this.#database.client.node.findMany({
      where: { id: { in: places.map(({ record }) => record.id) } },
    });
    const byId = new Map(rows.map((row) => [row.id, row]));
    return places.flatMap((place) => {
      const row = byId.get(place.record.id);
      return row ? [{ ...place, row }] : [];
    });
  }
}
