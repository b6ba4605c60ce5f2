/** Finds a revision by its id: the table says which nodes may have it, and they are asked. */
import { HandleTable, hashOf } from './handle-table.js';
import type { RevisionRecord } from './records.js';
import type { StoredNode } from './tree-node.js';

export class RevisionIndex {
  readonly #table = new HandleTable();
  readonly #nodes: readonly (StoredNode | null)[];

  /** `nodes`: by handle, now and later. */
  constructor(nodes: readonly (StoredNode | null)[]) {
    this.#nodes = nodes;
  }

  get size(): number {
    return this.#table.size;
  }

  get(id: string): RevisionRecord | undefined {
    return this.#find(id, hashOf(id, 0))?.revision;
  }

  /** Of a node whose list of revisions is about to hold it. False, and nothing is added, where any node has it already. */
  add(id: string, node: StoredNode): boolean {
    const hash = hashOf(id, 0);
    if (this.#find(id, hash)) return false;
    this.#table.add(hash, node.handle);
    return true;
  }

  /** Of a node that holds it in its page. False, and nothing is added, where another has it. */
  addPacked(text: string, start: number, end: number, node: StoredNode): boolean {
    const hash = hashOf(text, 0, start, end);
    // Cut out only where another has its hash.
    if (this.#table.first(hash) >= 0) {
      const found = this.#find(text.slice(start, end), hash);
      if (found && found.revision.nodeId !== node.id) return false;
    }
    this.#table.add(hash, node.handle);
    return true;
  }

  /** While its node holds it. */
  delete(id: string): void {
    const found = this.#find(id, hashOf(id, 0));
    if (found) this.#table.delete(found.place);
  }

  #find(id: string, hash: number): { revision: RevisionRecord; place: number } | undefined {
    const table = this.#table;
    for (let place = table.first(hash); place >= 0; place = table.next(place, hash)) {
      const revision = this.#nodes[table.at(place)]?.revisions.find((one) => one.id === id);
      if (revision) return { revision, place };
    }
    return undefined;
  }
}
