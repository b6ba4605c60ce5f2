/**
 * The tree of adapters in memory: a graphology graph that mirrors the registry's rows, so that a path is resolved in
 * microseconds and without a query.
 *
 * One graph node a tree node, keyed by its id; one edge from parent to child, keyed `parentId/name`. The graph refuses a
 * second edge with the same key, which makes names unique under a parent, and finds a child by name in one look-up with no
 * index of its own. An edge's attributes are those of the child, so that a walk down touches the edges alone.
 *
 * Records come with a string of their own for every id. Those kept here share the strings of the rows that they point to,
 * which is a fifth of the memory of a large tree. A record that is kept is never changed in place.
 */
import { DirectedGraph } from 'graphology';
import { NameTakenError, NodeNotFoundError, PathNotFoundError, TreeStructureError } from '../errors.js';
import { nearestPaths } from './nearest.js';
import { parsePath, type ParsedPath } from './path.js';
import type { ModelRecord, NodeRecord, RevisionRecord } from './records.js';
import { resolve, type AliasLookup } from './resolution.js';
import type { ResolvedPath } from './resolved-path.js';
import { checkPlace, isWithin } from './shape.js';
import { staleness, type Staleness } from './staleness.js';
import type { TreeNode, TreeView } from './tree-view.js';

/** Attributes of a node in the graph, and of the edge that leads to it. */
interface Attributes {
  record: NodeRecord;
  revisions: readonly RevisionRecord[];
}

export interface TreeRecords {
  models: Iterable<ModelRecord>;
  /** In any order. */
  nodes: Iterable<NodeRecord>;
  /** In any order. */
  revisions: Iterable<RevisionRecord>;
}

/** Shared by all nodes that have no revision. */
const NONE: readonly RevisionRecord[] = Object.freeze([]);

export class AdapterTree implements TreeView {
  readonly #graph = new DirectedGraph<Attributes, Attributes>({ allowSelfLoops: false });
  readonly #modelsByName = new Map<string, ModelRecord>();
  readonly #modelsById = new Map<string, ModelRecord>();
  readonly #revisions = new Map<string, RevisionRecord>();

  /** Everything at once, as it lies in the database: no order is needed, and the shape is checked at the end. */
  static load(records: TreeRecords): AdapterTree {
    const tree = new AdapterTree();
    for (const model of records.models) tree.setModel(model);
    for (const node of records.nodes) tree.#graph.addNode(node.id, { record: node, revisions: NONE });
    tree.#graph.forEachNode((_id, attributes) => {
      attributes.record = tree.#nodeToKeep(attributes.record);
      tree.#connect(attributes);
    });
    tree.#requireTrees();
    for (const revision of records.revisions) tree.setRevision(revision);
    return tree;
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
    if (this.#graph.hasNode(model.rootNodeId)) {
      for (const node of [...this.subtree(model.rootNodeId)].reverse()) this.removeNode(node.id);
    }
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
  setNode(node: NodeRecord): void {
    this.check(node);
    const record = this.#nodeToKeep(node);
    const attributes = this.#attributes(node.id);
    if (!attributes) {
      const added = { record, revisions: NONE };
      this.#graph.addNode(node.id, added);
      this.#connect(added);
      return;
    }
    const before = attributes.record;
    attributes.record = record;
    if (before.parentId === null || (before.parentId === record.parentId && before.name === record.name)) return;
    this.#graph.dropEdge(edgeKey(before.parentId, before.name));
    this.#connect(attributes);
  }

  /** Throws what `setNode` would throw, and changes nothing: for asking before a row is written. */
  check(node: NodeRecord): void {
    checkPlace(this, node);
  }

  /** A node without children, and its revisions. */
  removeNode(id: string): void {
    const node = this.treeNode(id);
    if (!node) return;
    if (this.childCount(id) > 0) {
      throw new TreeStructureError(`"${this.pathOf(id)}" has children. Move or remove them first.`);
    }
    for (const revision of node.revisions) this.#revisions.delete(revision.id);
    this.#graph.dropNode(id);
  }

  node(id: string): NodeRecord | undefined {
    return this.treeNode(id)?.record;
  }

  /** `path`: names, model first. */
  nodeByPath(path: readonly string[]): NodeRecord | undefined {
    const model = this.#modelsByName.get(path[0] ?? '');
    let node = model && this.treeNode(model.rootNodeId);
    for (let i = 1; node && i < path.length; i++) node = this.child(node.record.id, path[i] ?? '');
    return node?.record;
  }

  /** The node that a path of plain names leads to. Throws with the nearest names. */
  find(path: string | ParsedPath): NodeRecord {
    const parsed = typeof path === 'string' ? parsePath(path) : path;
    const names = [parsed.model, ...parsed.segments.map((segment) => segment.name)];
    const node = this.nodeByPath(names);
    if (!node) throw new PathNotFoundError(names.join('/'), nearestPaths(this, names));
    return node;
  }

  /** By name. */
  children(id: string): NodeRecord[] {
    if (!this.#graph.hasNode(id)) return [];
    const children = this.#graph.mapOutNeighbors(id, (_child, { record }) => record);
    return children.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  childCount(id: string): number {
    return this.#graph.hasNode(id) ? this.#graph.outDegree(id) : 0;
  }

  visitChildren(id: string, visit: (child: TreeNode) => boolean): void {
    if (this.#graph.hasNode(id)) this.#graph.findOutNeighbor(id, (_child, attributes) => visit(attributes));
  }

  child(parentId: string, name: string): TreeNode | undefined {
    const key = edgeKey(parentId, name);
    return this.#graph.hasEdge(key) ? this.#graph.getEdgeAttributes(key) : undefined;
  }

  treeNode(id: string): TreeNode | undefined {
    return this.#attributes(id);
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
    return isWithin(this, id, ancestorId);
  }

  pathOf(id: string): string {
    const names: string[] = [];
    for (let node = this.node(id); node; node = node.parentId === null ? undefined : this.node(node.parentId)) {
      names.push(node.name);
    }
    if (names.length === 0) throw new NodeNotFoundError(id);
    return names.reverse().join('/');
  }

  get size(): { models: number; nodes: number; revisions: number } {
    return { models: this.#modelsById.size, nodes: this.#graph.order, revisions: this.#revisions.size };
  }

  // --- revisions ---

  setRevision(revision: RevisionRecord): void {
    const node = this.#attributes(revision.nodeId);
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
    const record = this.#revisionToKeep(revision, node.record);
    node.revisions = others.toSpliced(at + 1, 0, record);
    this.#revisions.set(record.id, record);
  }

  revision(id: string): RevisionRecord | undefined {
    return this.#revisions.get(id);
  }

  /** By number, ascending. */
  revisions(nodeId: string): readonly RevisionRecord[] {
    return this.treeNode(nodeId)?.revisions ?? NONE;
  }

  revisionNumbered(node: TreeNode, number: number): RevisionRecord | undefined {
    // Numbers go 1, 2, … unless a revision was removed.
    const guess = node.revisions[number - 1];
    return guess?.number === number ? guess : node.revisions.find((revision) => revision.number === number);
  }

  // --- what the tree answers ---

  resolve(path: string | ParsedPath, aliases?: AliasLookup): ResolvedPath {
    return resolve(this, typeof path === 'string' ? parsePath(path) : path, aliases);
  }

  staleness(nodeId: string): Staleness {
    return staleness(this, nodeId);
  }

  // --- the graph ---

  #attributes(id: string): Attributes | undefined {
    return this.#graph.hasNode(id) ? this.#graph.getNodeAttributes(id) : undefined;
  }

  #connect(attributes: Attributes): void {
    const { id, parentId, name } = attributes.record;
    if (parentId === null) return;
    if (!this.#graph.hasNode(parentId)) throw new NodeNotFoundError(parentId);
    const key = edgeKey(parentId, name);
    if (this.#graph.hasEdge(key)) throw new NameTakenError(this.pathOf(this.#graph.target(key)));
    this.#graph.addDirectedEdgeWithKey(key, parentId, id, attributes);
  }

  #nodeToKeep(node: NodeRecord): NodeRecord {
    const { parentId, headId } = node;
    return {
      id: node.id,
      modelId: this.#modelsById.get(node.modelId)?.id ?? node.modelId,
      parentId: parentId === null ? null : (this.node(parentId)?.id ?? parentId),
      name: node.name,
      policy: node.policy === 'follow' ? 'follow' : 'pinned',
      disabled: node.disabled,
      detached: node.detached,
      headId: headId === null ? null : (this.#revisions.get(headId)?.id ?? headId),
    };
  }

  #revisionToKeep(revision: RevisionRecord, node: NodeRecord): RevisionRecord {
    const { trainedOnId } = revision;
    return {
      id: revision.id === node.headId ? node.headId : revision.id,
      nodeId: node.id,
      number: revision.number,
      digest: revision.digest,
      trainedOnId: trainedOnId === null ? null : (this.#revisions.get(trainedOnId)?.id ?? trainedOnId),
      rank: revision.rank,
      bytes: revision.bytes,
      configBlob: revision.configBlob,
      weightsBlob: revision.weightsBlob,
    };
  }

  /** Rows from a database could hold a ring, which no walk from a root would ever reach. */
  #requireTrees(): void {
    let reached = 0;
    const stack = this.#graph.filterNodes((_id, { record }) => record.parentId === null);
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      reached++;
      this.#graph.forEachOutNeighbor(id, (child) => stack.push(child));
    }
    if (reached !== this.#graph.order) {
      throw new TreeStructureError(`${this.#graph.order - reached} nodes of the registry lie in a ring of parents.`);
    }
  }
}

function edgeKey(parentId: string, name: string): string {
  return `${parentId}/${name}`;
}
