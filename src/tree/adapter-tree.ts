/**
 * The tree of adapters in memory, which mirrors the registry's rows so that a path is resolved in microseconds and without
 * a query: what is asked of it, and what commits change in it.
 *
 * It lies in a graphology graph (`NodeStore`): one graph node a tree node, keyed by its id, with the `TreeNode` as
 * attributes; one edge from parent to child, keyed by the child's id, because a child has only one.
 */
import { NodeNotFoundError } from '../errors/nodes.js';
import { NameTakenError, PathNotFoundError } from '../errors/paths.js';
import { TreeStructureError } from '../errors/tree-shape.js';
import { nearestPaths } from './nearest.js';
import { NodeStore } from './node-store.js';
import { parsePath, type ParsedPath } from './path.js';
import type { AliasRecord, ModelRecord, NodeRecord, RedirectRecord, RevisionRecord, TreeChange } from './records.js';
import { childOrRedirect } from './redirects.js';
import { resolve, type ResolveOptions } from './resolution.js';
import type { ResolvedPath } from './resolved-path.js';
import { checkPlace, isWithin } from './shape.js';
import { staleness, type Staleness } from './staleness.js';
import { TreeLoad, type TreeRecords } from './tree-load.js';
import { pathOf, type TreeNode, type TreeView } from './tree-node.js';

export class AdapterTree implements TreeView {
  readonly #modelsByName = new Map<string, ModelRecord>();
  readonly #modelsById = new Map<string, ModelRecord>();
  readonly #store = new NodeStore(this.#modelsById);

  /** Everything at once, as it lies in the database: no order is needed, and the shape is checked at the end. */
  static load(records: TreeRecords): AdapterTree {
    const load = AdapterTree.loading();
    load.models(records.models);
    load.nodes(records.nodes);
    load.revisions(records.revisions);
    return load.finish(records);
  }

  /** The same in pieces. */
  static loading(): TreeLoad {
    const tree = new AdapterTree();
    return new TreeLoad(tree, tree.#store);
  }

  /**
   * Sets what commits have changed. The order within the change is of no account: nodes that swap their names, or that
   * move under others which are new, find their places.
   */
  apply(change: TreeChange): void {
    for (const model of change.models ?? []) this.setModel(model);
    const removed = (change.removedNodes ?? []).map((id) => this.#store.find(id)).filter((node) => node !== undefined);
    // Their names are free, and what was moved out of them stays.
    for (const node of removed) this.#store.disconnect(node);
    this.#store.set(change.nodes ?? []);
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
    this.#store.set([record]);
  }

  /** Throws what `setNode` would throw, and changes nothing: for asking before a row is written. */
  check(record: NodeRecord, { within = null }: ResolveOptions = {}): void {
    checkPlace(this, record, within);
  }

  /** A node without children, and its revisions. */
  removeNode(id: string): void {
    const node = this.#store.find(id);
    if (!node) return;
    if (this.childCount(id) > 0) {
      throw new TreeStructureError(`"${this.pathOf(id)}" has children. Move or remove them first.`);
    }
    this.#store.remove(node);
  }

  node(id: string): NodeRecord | undefined {
    return this.#store.find(id)?.record;
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
    const children = Array.from(this.#store.find(id)?.children() ?? [], ({ record }) => record);
    return children.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  child(parentId: string, name: string): TreeNode | undefined {
    const parent = this.#store.find(parentId);
    return parent && this.childOf(parent, name);
  }

  childOf(parent: TreeNode, name: string): TreeNode | undefined {
    return this.#store.child(parent, name);
  }

  childCount(id: string): number {
    return this.#store.find(id)?.childCount ?? 0;
  }

  visitChildren(id: string, visit: (child: TreeNode) => boolean): void {
    for (const child of this.#store.find(id)?.children() ?? []) if (visit(child)) return;
  }

  treeNode(id: string): TreeNode | undefined {
    return this.#store.find(id);
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
    return { models: this.#modelsById.size, ...this.#store.size };
  }

  // --- revisions ---

  setRevision(revision: RevisionRecord): void {
    this.#store.setRevision(revision);
  }

  revision(id: string): RevisionRecord | undefined {
    return this.#store.revision(id);
  }

  /** By number, ascending. */
  revisions(nodeId: string): readonly RevisionRecord[] {
    return this.#store.find(nodeId)?.revisions ?? [];
  }

  // --- aliases and redirects ---

  /** All of a node, in place of those that it has. */
  setAliases(nodeId: string, aliases: readonly AliasRecord[]): void {
    const node = this.#store.find(nodeId);
    if (node) node.aliases = aliases;
  }

  aliases(nodeId: string): readonly AliasRecord[] {
    return this.#store.find(nodeId)?.aliases ?? [];
  }

  /** All under a parent, in place of those that it has. */
  setRedirects(parentId: string, redirects: readonly RedirectRecord[]): void {
    const parent = this.#store.find(parentId);
    if (parent) parent.redirects = redirects;
  }

  redirects(parentId: string): readonly RedirectRecord[] {
    return this.#store.find(parentId)?.redirects ?? [];
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
    return this.#store.stale;
  }

  /** Those whose heads are to stay in host memory, served or not; in no particular order. */
  get pinnedNodes(): Iterable<TreeNode> {
    return this.#store.pinned;
  }

  /** Does some of what a load has put off; false: nothing is left. Whoever needs it sooner does the rest then. */
  settle(nodes: number): boolean {
    return this.#store.stale.look(nodes);
  }

  #follow(names: readonly string[]): TreeNode | undefined {
    const model = this.#modelsByName.get(names[0] ?? '');
    let node = model && this.treeNode(model.rootNodeId);
    for (let i = 1; node && i < names.length; i++) node = childOrRedirect(this, node, names[i] ?? '');
    return node;
  }

  #removeSubtree(id: string): void {
    for (const node of [...this.subtree(id)].reverse()) this.removeNode(node.id);
  }
}
