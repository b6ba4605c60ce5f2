/**
 * The nodes of a tree, and all that finds them: the graph, children by name, revisions by id, and which nodes are stale or
 * pinned. A node is changed here alone, so that these stay in step. Whether it may be is asked before (`checkPlace`).
 *
 * Revisions that come in pages stay there as text until somebody asks for them. Of those that come one by one, with a
 * string of their own for every id, what is kept shares the strings of what it points to.
 */
import { NodeNotFoundError } from '../errors/nodes.js';
import { NameTakenError } from '../errors/paths.js';
import { TreeStructureError } from '../errors/tree-shape.js';
import { ChildIndex } from './child-index.js';
import type { ModelRecord, NodeRecord, RevisionRecord } from './records.js';
import { RevisionIndex } from './revision-index.js';
import type { RevisionPage } from './revision-page.js';
import { requireTrees } from './rings.js';
import { StaleNodes } from './stale-nodes.js';
import { TreeGraph } from './tree-graph.js';
import { pathOf, StoredNode, type TreeNode } from './tree-node.js';

export class NodeStore {
  readonly stale = new StaleNodes();
  readonly pinned = new Set<StoredNode>();
  readonly #models: ReadonlyMap<string, ModelRecord>;
  /** By handle; null: it is gone. */
  readonly #nodes: (StoredNode | null)[] = [];
  readonly #freeHandles: number[] = [];
  readonly #graph = new TreeGraph(this.#nodes);
  readonly #childrenByName = new ChildIndex(this.#nodes);
  readonly #revisions = new RevisionIndex(this.#nodes);
  /** Then heads and parents come one by one, and who is stale is asked at the end. */
  #loading = false;

  /** `models`: by id, now and later. */
  constructor(models: ReadonlyMap<string, ModelRecord>) {
    this.#models = models;
  }

  get size(): { nodes: number; revisions: number } {
    return { nodes: this.#graph.order, revisions: this.#revisions.size };
  }

  find(id: string): StoredNode | undefined {
    return this.#graph.find(id);
  }

  child(parent: TreeNode, name: string): StoredNode | undefined {
    return this.#childrenByName.get(parent, name);
  }

  revision(id: string): RevisionRecord | undefined {
    return this.#revisions.get(id);
  }

  // --- nodes ---

  /** New ones and changed ones, in any order: nodes may swap their names, or move under others which are new. */
  set(records: readonly NodeRecord[]): void {
    const unplaced: [StoredNode, NodeRecord][] = [];
    // Those that change their places leave them first, so that none finds its new one taken by another that leaves too.
    for (const record of records) {
      const node = this.find(record.id);
      if (!node) {
        unplaced.push([this.add(record), record]);
      } else if (node.name !== record.name || (node.parent?.id ?? null) !== record.parentId) {
        this.disconnect(node);
        unplaced.push([node, record]);
      } else {
        this.#assign(node, record);
      }
    }
    for (const [node, record] of unplaced) this.#assign(node, record);
    for (const [node, record] of unplaced) this.connect(node, record.parentId);
  }

  /** Without a place yet. */
  add(record: NodeRecord): StoredNode {
    const node = new StoredNode(record.id, this.#freeHandles.pop() ?? this.#nodes.length);
    this.#assign(node, record);
    this.#graph.add(node);
    return node;
  }

  /** One without children. */
  remove(node: StoredNode): void {
    this.disconnect(node);
    for (const revision of node.revisions) this.#revisions.delete(revision.id);
    this.#graph.remove(node);
    this.#freeHandles.push(node.handle);
    this.stale.delete(node);
    this.pinned.delete(node);
  }

  connect(node: StoredNode, parentId: string | null): void {
    if (parentId === null) return;
    const parent = this.find(parentId);
    if (!parent) throw new NodeNotFoundError(parentId);
    this.connectTo(node, parent);
  }

  connectTo(node: StoredNode, parent: StoredNode): void {
    if (!this.#childrenByName.add(node, parent)) throw new NameTakenError(`${pathOf(parent)}/${node.name}`);
    this.#graph.attach(node, parent);
    if (!this.#loading) this.stale.update(node);
  }

  disconnect(node: StoredNode): void {
    if (!node.parent) return;
    this.#childrenByName.delete(node, node.parent);
    this.#graph.detach(node);
    this.stale.delete(node);
  }

  #assign(node: StoredNode, record: NodeRecord): void {
    const modelId = this.#models.get(record.modelId)?.id ?? record.modelId;
    const head = record.headId === null || this.#loading ? null : (this.#revisions.get(record.headId) ?? null);
    const before = node.head;
    node.assign(record, modelId, head);
    if (record.pinned) this.pinned.add(node);
    else this.pinned.delete(node);
    if (before?.id !== head?.id) this.#headMoved(node);
  }

  #headMoved(node: StoredNode): void {
    if (this.#loading) return;
    this.stale.update(node);
    for (const child of node.children()) this.stale.update(child);
  }

  // --- revisions ---

  setRevision(revision: RevisionRecord): void {
    const node = this.find(revision.nodeId);
    if (!node) throw new NodeNotFoundError(revision.nodeId);
    const before = this.#revisions.get(revision.id);
    const holder = before && this.find(before.nodeId);
    if (holder && holder !== node) {
      throw new TreeStructureError(`Revision ${revision.id} can't leave "${pathOf(holder)}".`);
    }
    const others = before ? node.revisions.filter(({ id }) => id !== revision.id) : node.revisions;
    const at = others.findLastIndex(({ number }) => number <= revision.number);
    if (others[at]?.number === revision.number) {
      throw new TreeStructureError(`"${pathOf(node)}" has a revision ${revision.number} already.`);
    }
    const record = this.#revisionToKeep(revision, node);
    if (!before) this.#revisions.add(record.id, node);
    node.revisions = others.toSpliced(at + 1, 0, record);
    this.#keepHead(record, node);
  }

  #keepHead(record: RevisionRecord, node: StoredNode): void {
    if (record.id !== node.headId) return;
    node.head = record;
    this.#headMoved(node);
  }

  #revisionToKeep(revision: RevisionRecord, node: StoredNode): RevisionRecord {
    return {
      id: revision.id === node.headId ? node.headId : revision.id,
      nodeId: node.id,
      number: revision.number,
      digest: revision.digest,
      trainedOnId: this.#sharedId(revision.trainedOnId, node.parent),
      rank: revision.rank,
      bytes: revision.bytes,
      configBlob: revision.configBlob,
      weightsBlob: revision.weightsBlob,
      recalled: revision.recalled,
      fallbackId: revision.fallbackId,
    };
  }

  /** Of what a revision was trained on, which mostly is the head of its node's parent. */
  #sharedId(id: string | null, parent: StoredNode | null): string | null {
    if (id === null) return null;
    if (parent?.headId === id) return parent.headId;
    return this.#revisions.get(id)?.id ?? id;
  }

  // --- a load ---

  beginLoad(): void {
    this.#loading = true;
  }

  /** Refuses rings of parents. */
  endLoad(): void {
    // Nothing is removed during a load, so none is gone.
    requireTrees(this.#nodes as StoredNode[]);
    this.#loading = false;
    this.stale.lookThrough(this.#nodes);
  }

  /** Handles of nodes that are added in a load follow each other, from this one on. */
  get nextHandle(): number {
    return this.#nodes.length;
  }

  at(handle: number): StoredNode | null | undefined {
    return this.#nodes[handle];
  }

  /** What `setRevision` does, where it most likely is the newest of its node. */
  addRevision(revision: RevisionRecord, node: StoredNode): void {
    const last = node.revisions.at(-1);
    if (last && last.number >= revision.number) return this.setRevision(revision);
    const record = this.#revisionToKeep(revision, node);
    if (!this.#revisions.add(record.id, node)) throw new TreeStructureError(`Revision ${record.id} is there twice.`);
    node.revisions = last ? [...node.revisions, record] : [record];
    this.#keepHead(record, node);
  }

  /** Revisions of the nodes from the handle `first` on. */
  addPage(first: number, page: RevisionPage): void {
    const { text } = page;
    let node: StoredNode | null = null;
    for (let row = 0; row < page.rows; row++) {
      const at = this.#nodes[first + page.nodeOf(row)];
      if (!at) throw new TreeStructureError('A page of revisions is of other nodes.');
      if (at !== node) at.pack(page, row);
      node = at;
      const start = page.idStart(row);
      const end = text.indexOf(',', start);
      if (!this.#revisions.addPacked(text, start, end, node)) {
        throw new TreeStructureError(`Revision ${text.slice(start, end)} is there twice.`);
      }
    }
  }
}
