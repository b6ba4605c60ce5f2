/**
 * The tree of adapters in memory: a graphology graph that mirrors the registry's rows, so that a path is resolved in
 * microseconds and without a query.
 *
 * One graph node a tree node, keyed by its id, with the `TreeNode` as attributes; one edge from parent to child, keyed by
 * the child's id, because a child has only one. Beside it lie two indexes: children by name, and revisions by id.
 *
 * Revisions that come in pages stay there as text until somebody asks for them. Of those that come one by one, with a
 * string of their own for every id, what is kept shares the strings of what it points to.
 */
import { NodeNotFoundError } from '../errors/nodes.js';
import { NameTakenError, PathNotFoundError } from '../errors/paths.js';
import { TreeStructureError } from '../errors/tree-shape.js';
import { ChildIndex } from './child-index.js';
import { nearestPaths } from './nearest.js';
import { parsePath, type ParsedPath } from './path.js';
import type { AliasRecord, ModelRecord, NodeRecord, RedirectRecord, RevisionRecord, TreeChange } from './records.js';
import { resolve, type ResolveOptions } from './resolution.js';
import type { ResolvedPath } from './resolved-path.js';
import { childOrRedirect } from './redirects.js';
import { checkPlace, isWithin } from './shape.js';
import { RevisionIndex } from './revision-index.js';
import type { RevisionPage } from './revision-page.js';
import { StaleNodes } from './stale-nodes.js';
import { staleness, type Staleness } from './staleness.js';
import { requireTrees } from './rings.js';
import { TreeGraph } from './tree-graph.js';
import { pathOf, StoredNode, type TreeNode, type TreeView } from './tree-node.js';

export interface TreeRecords {
  models: Iterable<ModelRecord>;
  /** In any order. */
  nodes: Iterable<NodeRecord>;
  /** In any order. */
  revisions: Iterable<RevisionRecord>;
  aliases?: Iterable<AliasRecord & { nodeId: string }>;
  redirects?: Iterable<RedirectRecord & { parentId: string }>;
}

/**
 * A tree on its way, in as many pieces as there are: models first, then all nodes, then all revisions; or nodes together
 * with their revisions.
 */
export interface TreeLoad {
  models(records: Iterable<ModelRecord>): void;
  nodes(records: Iterable<NodeRecord>): void;
  revisions(records: Iterable<RevisionRecord>): void;
  /** Nodes, whose `headId` is left out, and the page of all their revisions. */
  page(records: readonly NodeRecord[], revisions: RevisionPage): void;
  finish(rest: Pick<TreeRecords, 'aliases' | 'redirects'>): AdapterTree;
}

export class AdapterTree implements TreeView {
  /** By handle; null: it is gone. */
  readonly #nodes: (StoredNode | null)[] = [];
  readonly #freeHandles: number[] = [];
  readonly #graph = new TreeGraph(this.#nodes);
  readonly #childrenByName = new ChildIndex(this.#nodes);
  readonly #modelsByName = new Map<string, ModelRecord>();
  readonly #modelsById = new Map<string, ModelRecord>();
  readonly #revisions = new RevisionIndex(this.#nodes);
  readonly #stale = new StaleNodes();
  readonly #pinned = new Set<StoredNode>();
  /** Then heads and parents come one by one, and who is stale is asked at the end. */
  #loading = false;

  /** Everything at once, as it lies in the database: no order is needed, and the shape is checked at the end. */
  static load(records: TreeRecords): AdapterTree {
    const load = AdapterTree.loading();
    load.models(records.models);
    load.nodes(records.nodes);
    load.revisions(records.revisions);
    return load.finish(records);
  }

  /** The same in pieces, so that a million records never lie in memory beside the tree. */
  static loading(): TreeLoad {
    const tree = new AdapterTree();
    tree.#loading = true;
    const nodes = tree.#nodes as StoredNode[];
    /** Those that came before their parents. */
    const orphans: [StoredNode, string][] = [];
    const connect = (): void => {
      for (const [node, parentId] of orphans.splice(0)) tree.#connect(node, parentId);
    };
    let parent: StoredNode | undefined;
    let at = 0;
    const addAll = (records: Iterable<NodeRecord>): void => {
      for (const record of records) {
        const node = tree.#add(record);
        const { parentId } = record;
        if (parentId === null) continue;
        // Every look-up in a map of a million waits for memory; often the last one will do.
        if (parent?.id !== parentId) parent = tree.#node(parentId);
        if (parent) tree.#connectTo(node, parent);
        else orphans.push([node, parentId]);
      }
    };
    return {
      models: (records) => {
        for (const model of records) tree.setModel(model);
      },
      nodes: addAll,
      page: (records, revisions) => {
        const first = nodes.length;
        addAll(records);
        tree.#pack(first, revisions);
      },
      revisions: (records) => {
        connect();
        for (const revision of records) {
          // By node, in the order of the nodes, they are found without a look-up.
          if (nodes[at]?.id !== revision.nodeId && nodes[++at]?.id !== revision.nodeId) {
            at = tree.#node(revision.nodeId)?.handle ?? nodes.length;
          }
          const node = nodes[at];
          if (!node) throw new NodeNotFoundError(revision.nodeId);
          tree.#loadRevision(revision, node);
        }
      },
      finish: ({ aliases = [], redirects = [] }) => {
        connect();
        requireTrees(nodes);
        for (const { nodeId, ...alias } of aliases) tree.setAliases(nodeId, [...tree.aliases(nodeId), alias]);
        for (const { parentId, ...redirect } of redirects) {
          tree.setRedirects(parentId, [...tree.redirects(parentId), redirect]);
        }
        tree.#loading = false;
        tree.#stale.lookThrough(nodes);
        return tree;
      },
    };
  }

  /**
   * Sets what commits have changed. The order within the change is of no account: nodes that swap their names, or that
   * move under others which are new, find their places.
   */
  apply(change: TreeChange): void {
    for (const model of change.models ?? []) this.setModel(model);
    const removed = (change.removedNodes ?? []).map((id) => this.#node(id)).filter((node) => node !== undefined);
    // Their names are free, and what was moved out of them stays.
    for (const node of removed) this.#disconnect(node);
    this.#place(change.nodes ?? []);
    for (const { id } of removed) this.#removeSubtree(id);
    for (const revision of change.revisions ?? []) this.setRevision(revision);
    for (const { nodeId, aliases } of change.aliases ?? []) this.setAliases(nodeId, aliases);
    for (const { parentId, redirects } of change.redirects ?? []) this.setRedirects(parentId, redirects);
  }

  // --- models ---

  setModel(model: ModelRecord): void {
    const holder = this.#modelsByName.get(model.name);
    if (holder && holder.id !== model.id) throw new NameTakenError(model.name);
    const before = this.#modelsById.get(model.id);
    if (before) this.#modelsByName.delete(before.name);
    this.#modelsById.set(model.id, model);
    this.#modelsByName.set(model.name, model);
  }

  /** With its nodes and their revisions. */
  removeModel(id: string): void {
    const model = this.#modelsById.get(id);
    if (!model) return;
    this.#removeSubtree(model.rootNodeId);
    this.#modelsById.delete(id);
    this.#modelsByName.delete(model.name);
  }

  model(name: string): ModelRecord | undefined {
    return this.#modelsByName.get(name);
  }

  modelById(id: string): ModelRecord | undefined {
    return this.#modelsById.get(id);
  }

  models(): Iterable<ModelRecord> {
    return this.#modelsByName.values();
  }

  // --- nodes ---

  /** Adds a node, or changes one: another name or parent moves it with all that is below. Its parent comes first. */
  setNode(record: NodeRecord): void {
    this.check(record);
    const node = this.#node(record.id);
    if (!node) {
      this.#connect(this.#add(record), record.parentId);
      return;
    }
    const moves = node.name !== record.name || (node.parent?.id ?? null) !== record.parentId;
    if (moves) this.#disconnect(node);
    this.#assign(node, record);
    if (moves) this.#connect(node, record.parentId);
  }

  /** Throws what `setNode` would throw, and changes nothing: for asking before a row is written. */
  check(record: NodeRecord, { within = null }: ResolveOptions = {}): void {
    checkPlace(this, record, within);
  }

  /** A node without children, and its revisions. */
  removeNode(id: string): void {
    const node = this.#node(id);
    if (!node) return;
    if (this.childCount(id) > 0) {
      throw new TreeStructureError(`"${this.pathOf(id)}" has children. Move or remove them first.`);
    }
    this.#disconnect(node);
    for (const revision of node.revisions) this.#revisions.delete(revision.id);
    this.#graph.remove(node);
    this.#freeHandles.push(node.handle);
    this.#stale.delete(node);
    this.#pinned.delete(node);
  }

  node(id: string): NodeRecord | undefined {
    return this.#node(id)?.record;
  }

  /** `path`: names, model first. */
  nodeByPath(path: readonly string[]): NodeRecord | undefined {
    const model = this.#modelsByName.get(path[0] ?? '');
    let node = model && this.treeNode(model.rootNodeId);
    for (let i = 1; node && i < path.length; i++) node = this.childOf(node, path[i] ?? '');
    return node?.record;
  }

  /** The node that a path of plain names leads to, over redirects too. Throws with the nearest names. */
  find(path: string | ParsedPath, { within = null }: ResolveOptions = {}): NodeRecord {
    const parsed = typeof path === 'string' ? parsePath(path) : path;
    const names = [parsed.model, ...parsed.segments.map((segment) => segment.name)];
    const node = this.#follow(names);
    if (!node || (within !== null && !isWithin(node, within))) {
      throw new PathNotFoundError(names.join('/'), nearestPaths(this, names, within));
    }
    return node.record;
  }

  /** By name. */
  children(id: string): NodeRecord[] {
    const children = Array.from(this.#node(id)?.children() ?? [], ({ record }) => record);
    return children.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  child(parentId: string, name: string): TreeNode | undefined {
    const parent = this.#node(parentId);
    return parent && this.childOf(parent, name);
  }

  childOf(parent: TreeNode, name: string): TreeNode | undefined {
    return this.#childrenByName.get(parent, name);
  }

  childCount(id: string): number {
    return this.#node(id)?.childCount ?? 0;
  }

  visitChildren(id: string, visit: (child: TreeNode) => boolean): void {
    for (const child of this.#node(id)?.children() ?? []) if (visit(child)) return;
  }

  treeNode(id: string): TreeNode | undefined {
    return this.#node(id);
  }

  /** The node itself, then all below it, each before its children, siblings by name. */
  *subtree(id: string): Generator<NodeRecord> {
    const start = this.node(id);
    const stack = start ? [start] : [];
    for (let node = stack.pop(); node; node = stack.pop()) {
      yield node;
      for (const child of this.children(node.id).reverse()) stack.push(child);
    }
  }

  /** Whether `id` is `ancestorId` or lies below it. */
  isWithin(id: string, ancestorId: string): boolean {
    const node = this.treeNode(id);
    return node !== undefined && isWithin(node, ancestorId);
  }

  /** Names from the model to the node, joined by `/`. */
  pathOf(id: string): string {
    const node = this.treeNode(id);
    if (!node) throw new NodeNotFoundError(id);
    return pathOf(node);
  }

  get size(): { models: number; nodes: number; revisions: number } {
    return { models: this.#modelsById.size, nodes: this.#graph.order, revisions: this.#revisions.size };
  }

  // --- revisions ---

  setRevision(revision: RevisionRecord): void {
    const node = this.#node(revision.nodeId);
    if (!node) throw new NodeNotFoundError(revision.nodeId);
    const before = this.#revisions.get(revision.id);
    if (before && before.nodeId !== revision.nodeId) {
      throw new TreeStructureError(`Revision ${revision.id} can't leave "${this.pathOf(before.nodeId)}".`);
    }
    const others = before ? node.revisions.filter(({ id }) => id !== revision.id) : node.revisions;
    const at = others.findLastIndex(({ number }) => number <= revision.number);
    if (others[at]?.number === revision.number) {
      throw new TreeStructureError(`"${this.pathOf(revision.nodeId)}" has a revision ${revision.number} already.`);
    }
    const record = this.#revisionToKeep(revision, node);
    if (!before) this.#revisions.add(record.id, node);
    node.revisions = others.toSpliced(at + 1, 0, record);
    this.#keepHead(record, node);
  }

  revision(id: string): RevisionRecord | undefined {
    return this.#revisions.get(id);
  }

  /** By number, ascending. */
  revisions(nodeId: string): readonly RevisionRecord[] {
    return this.#node(nodeId)?.revisions ?? [];
  }

  // --- aliases and redirects ---

  /** All of a node, in place of those that it has. */
  setAliases(nodeId: string, aliases: readonly AliasRecord[]): void {
    const node = this.#node(nodeId);
    if (node) node.aliases = aliases;
  }

  aliases(nodeId: string): readonly AliasRecord[] {
    return this.#node(nodeId)?.aliases ?? [];
  }

  /** All under a parent, in place of those that it has. */
  setRedirects(parentId: string, redirects: readonly RedirectRecord[]): void {
    const parent = this.#node(parentId);
    if (parent) parent.redirects = redirects;
  }

  redirects(parentId: string): readonly RedirectRecord[] {
    return this.#node(parentId)?.redirects ?? [];
  }

  // --- what the tree answers ---

  resolve(path: string | ParsedPath, options?: ResolveOptions): ResolvedPath {
    return resolve(this, typeof path === 'string' ? parsePath(path) : path, options);
  }

  staleness(nodeId: string): Staleness {
    return staleness(this, nodeId);
  }

  /** Those that are stale by themselves, not only because of one above them; in no particular order. */
  get staleNodes(): Iterable<TreeNode> & { size: number } {
    return this.#stale;
  }

  /** Those whose heads are to stay in host memory, served or not; in no particular order. */
  get pinnedNodes(): Iterable<TreeNode> {
    return this.#pinned;
  }

  /** Does some of what a load has put off; false: nothing is left. Whoever needs it sooner does the rest then. */
  settle(nodes: number): boolean {
    return this.#stale.look(nodes);
  }

  // --- the graph ---

  #follow(names: readonly string[]): TreeNode | undefined {
    const model = this.#modelsByName.get(names[0] ?? '');
    let node = model && this.treeNode(model.rootNodeId);
    for (let i = 1; node && i < names.length; i++) node = childOrRedirect(this, node, names[i] ?? '');
    return node;
  }

  /** Those that change their places leave them first, so that none finds its new one taken by another that leaves too. */
  #place(records: readonly NodeRecord[]): void {
    const unplaced: [StoredNode, NodeRecord][] = [];
    for (const record of records) {
      const node = this.#node(record.id);
      if (!node) {
        unplaced.push([this.#add(record), record]);
      } else if (node.name !== record.name || (node.parent?.id ?? null) !== record.parentId) {
        this.#disconnect(node);
        unplaced.push([node, record]);
      } else {
        this.#assign(node, record);
      }
    }
    for (const [node, record] of unplaced) this.#assign(node, record);
    for (const [node, record] of unplaced) this.#connect(node, record.parentId);
  }

  #removeSubtree(id: string): void {
    for (const node of [...this.subtree(id)].reverse()) this.removeNode(node.id);
  }

  #node(id: string): StoredNode | undefined {
    return this.#graph.find(id);
  }

  /** Without a place yet. */
  #add(record: NodeRecord): StoredNode {
    const node = new StoredNode(record.id, this.#freeHandles.pop() ?? this.#nodes.length);
    this.#assign(node, record);
    this.#graph.add(node);
    return node;
  }

  #assign(node: StoredNode, record: NodeRecord): void {
    const modelId = this.#modelsById.get(record.modelId)?.id ?? record.modelId;
    const head = record.headId === null || this.#loading ? null : (this.#revisions.get(record.headId) ?? null);
    const before = node.head;
    node.assign(record, modelId, head);
    if (record.pinned) this.#pinned.add(node);
    else this.#pinned.delete(node);
    if (before?.id !== head?.id) this.#headMoved(node);
  }

  #headMoved(node: StoredNode): void {
    if (this.#loading) return;
    this.#stale.update(node);
    for (const child of node.children()) this.#stale.update(child);
  }

  #connect(node: StoredNode, parentId: string | null): void {
    if (parentId === null) return;
    const parent = this.#node(parentId);
    if (!parent) throw new NodeNotFoundError(parentId);
    this.#connectTo(node, parent);
  }

  #connectTo(node: StoredNode, parent: StoredNode): void {
    if (!this.#childrenByName.add(node, parent)) throw new NameTakenError(`${pathOf(parent)}/${node.name}`);
    this.#graph.attach(node, parent);
    if (!this.#loading) this.#stale.update(node);
  }

  #disconnect(node: StoredNode): void {
    if (!node.parent) return;
    this.#childrenByName.delete(node, node.parent);
    this.#graph.detach(node);
    this.#stale.delete(node);
  }

  /** What `setRevision` does, where it most likely is the newest of its node. */
  #loadRevision(revision: RevisionRecord, node: StoredNode): void {
    const last = node.revisions.at(-1);
    if (last && last.number >= revision.number) return this.setRevision(revision);
    const record = this.#revisionToKeep(revision, node);
    if (!this.#revisions.add(record.id, node)) throw new TreeStructureError(`Revision ${record.id} is there twice.`);
    node.revisions = last ? [...node.revisions, record] : [record];
    this.#keepHead(record, node);
  }

  /** Their nodes are those from the handle `first` on. */
  #pack(first: number, page: RevisionPage): void {
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
}
