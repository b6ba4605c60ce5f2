/**
 * A node as the tree holds it: one object with what resolution reads, and pointers where the record has ids. A walk down
 * a large tree waits for memory more than for anything else, so there is no second object to fetch on the way.
 */
import type { AliasRecord, ModelRecord, NodeRecord, ParentPolicy, RedirectRecord, RevisionRecord } from './records.js';
import type { RevisionPage } from './revision-page.js';

export interface TreeNode {
  readonly id: string;
  readonly modelId: string;
  readonly name: string;
  readonly policy: ParentPolicy;
  readonly disabled: boolean;
  readonly detached: boolean;
  readonly archived: boolean;
  readonly pinned: boolean;
  readonly parent: TreeNode | null;
  readonly head: RevisionRecord | null;
  /** By number, ascending. */
  readonly revisions: readonly RevisionRecord[];
  readonly aliases: readonly AliasRecord[];
  /** Names that lead elsewhere: nodes that lay under this one. */
  readonly redirects: readonly RedirectRecord[];
  /** A number of its own in this tree. */
  readonly handle: number;
  /** The row that it stands for. */
  readonly record: NodeRecord;
}

/** What resolution, staleness and suggestions read of the tree. */
export interface TreeView {
  model(name: string): ModelRecord | undefined;
  models(): Iterable<ModelRecord>;
  treeNode(id: string): TreeNode | undefined;
  childOf(parent: TreeNode, name: string): TreeNode | undefined;
  childCount(id: string): number;
  /** The children in no particular order, until `visit` returns true. */
  visitChildren(id: string, visit: (child: TreeNode) => boolean): void;
  revision(id: string): RevisionRecord | undefined;
}

/** Shared by all nodes that have no revision. */
const NO_REVISIONS: readonly RevisionRecord[] = Object.freeze([]);
const NO_ALIASES: readonly AliasRecord[] = Object.freeze([]);
const NO_REDIRECTS: readonly RedirectRecord[] = Object.freeze([]);

/** What graphology reads of an edge. */
export interface TreeEdge {
  key: string;
  attributes: object;
  undirected: false;
  source: StoredNode;
  target: StoredNode;
}

const NO_ATTRIBUTES = Object.freeze({});

export function edgeOf(child: StoredNode, parent: StoredNode): TreeEdge {
  return { key: child.id, attributes: NO_ATTRIBUTES, undirected: false, source: parent, target: child };
}

/** The node as the tree alone may change it. */
export class StoredNode implements TreeNode {
  readonly id: string;
  name = '';
  parent: StoredNode | null = null;
  disabled = false;
  archived = false;
  pinned = false;
  policy: ParentPolicy = 'pinned';
  detached = false;
  version = 1;
  readonly handle: number;
  aliases = NO_ALIASES;
  redirects = NO_REDIRECTS;
  modelId = '';
  childCount = 0;
  /** The page where its revisions lie until they are asked for, and which of them is the first. */
  private page: RevisionPage | null = null;
  private firstRow = 0;
  /** Most nodes have one, and need no list for it. */
  private held: RevisionRecord | readonly RevisionRecord[] = NO_REVISIONS;
  private headRecord: RevisionRecord | null = null;
  private knownHeadId: string | null = null;
  /** Children are linked, each with the next; the one before the first is the last. */
  private firstChild: StoredNode | null = null;
  private next: StoredNode | null = null;
  private previous: StoredNode | null = null;

  constructor(id: string, handle: number) {
    this.id = id;
    this.handle = handle;
  }

  /** Everything of the record but its place. */
  assign(record: NodeRecord, modelId: string, head: RevisionRecord | null): void {
    this.name = record.name;
    // The string of the source, not that of the row.
    this.policy = record.policy === 'follow' ? 'follow' : 'pinned';
    this.disabled = record.disabled;
    this.detached = record.detached;
    this.archived = record.archived;
    this.pinned = record.pinned;
    this.version = record.version;
    this.modelId = modelId;
    this.head = head;
    this.knownHeadId = head?.id ?? record.headId;
  }

  /** Its revisions and its head, without taking them out of their page yet. */
  pack(page: RevisionPage, firstRow: number): void {
    this.page = page;
    this.firstRow = firstRow;
  }

  private unpack(page: RevisionPage): void {
    this.page = null;
    const { revisions, head } = page.unpack(this.firstRow, this.id);
    this.revisions = revisions;
    this.headRecord = head;
    this.knownHeadId = head?.id ?? null;
  }

  get revisions(): readonly RevisionRecord[] {
    if (this.page) this.unpack(this.page);
    return isList(this.held) ? this.held : [this.held];
  }

  set revisions(revisions: readonly RevisionRecord[]) {
    if (this.page) this.unpack(this.page);
    const [first] = revisions;
    this.held = first && revisions.length === 1 ? first : revisions;
  }

  get head(): RevisionRecord | null {
    if (this.page) this.unpack(this.page);
    return this.headRecord;
  }

  set head(head: RevisionRecord | null) {
    if (this.page) this.unpack(this.page);
    this.headRecord = head;
  }

  /** Known before the revision itself is. */
  get headId(): string | null {
    if (this.page) this.unpack(this.page);
    return this.knownHeadId;
  }

  /** What `isStaleItself` says, leaving in their pages the revisions that lie there. */
  get isStaleItself(): boolean {
    if (!this.parent) return false;
    const trainedOn = this.page ? this.page.headTrainedOn(this.firstRow) : this.headRecord?.trainedOnId;
    return trainedOn !== undefined && trainedOn !== this.parent.presentHeadId;
  }

  private get presentHeadId(): string | null {
    return this.page ? this.page.headId(this.firstRow) : (this.headRecord?.id ?? null);
  }

  get record(): NodeRecord {
    return {
      id: this.id,
      modelId: this.modelId,
      parentId: this.parent?.id ?? null,
      name: this.name,
      policy: this.policy,
      disabled: this.disabled,
      detached: this.detached,
      archived: this.archived,
      pinned: this.pinned,
      headId: this.headId,
      version: this.version,
    };
  }

  // --- children ---

  /** The oldest first, as they came under this node. */
  *children(): Generator<StoredNode> {
    for (let child = this.firstChild; child; child = child.next) yield child;
  }

  /** One that has no parent. */
  adopt(child: StoredNode): void {
    const first = this.firstChild;
    child.parent = this;
    child.previous = first ? first.previous : child;
    if (first?.previous) first.previous.next = child;
    if (first) first.previous = child;
    else this.firstChild = child;
    this.childCount++;
  }

  release(child: StoredNode): void {
    const { previous, next } = child;
    if (this.firstChild === child) this.firstChild = next;
    else if (previous) previous.next = next;
    if (next) next.previous = previous;
    else if (this.firstChild) this.firstChild.previous = previous;
    child.parent = child.previous = child.next = null;
    this.childCount--;
  }

  // --- what graphology reads of a node ---

  get key(): string {
    return this.id;
  }

  get attributes(): this {
    return this;
  }

  get inDegree(): number {
    return this.parent ? 1 : 0;
  }

  get outDegree(): number {
    return this.childCount;
  }

  get directedLoops(): number {
    return 0;
  }

  get in(): Record<string, TreeEdge> {
    return this.parent ? { [this.parent.id]: edgeOf(this, this.parent) } : {};
  }

  get out(): Record<string, TreeEdge> {
    const edges: Record<string, TreeEdge> = {};
    for (const child of this.children()) edges[child.id] = edgeOf(child, this);
    return edges;
  }
}

function isList(held: RevisionRecord | readonly RevisionRecord[]): held is readonly RevisionRecord[] {
  return Array.isArray(held);
}

/** Root to leaf, with the node itself. */
export function lineage(node: TreeNode): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at: TreeNode | null = node; at; at = at.parent) nodes.push(at);
  return nodes.reverse();
}

/** Path of a node, model first. */
export function pathOf(node: TreeNode): string {
  return lineage(node)
    .map(({ name }) => name)
    .join('/');
}
