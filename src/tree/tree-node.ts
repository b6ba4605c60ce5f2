/**
 * A node as the tree holds it: one object with what resolution reads, and pointers where the record has ids. A walk down
 * a large tree waits for memory more than for anything else, so there is no second object to fetch on the way.
 */
import type { AliasRecord, ModelRecord, NodeRecord, ParentPolicy, RedirectRecord, RevisionRecord } from './records.js';

export interface TreeNode {
  readonly id: string;
  readonly modelId: string;
  readonly name: string;
  readonly policy: ParentPolicy;
  readonly disabled: boolean;
  readonly detached: boolean;
  readonly archived: boolean;
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

/** The node as the tree alone may change it. */
export class StoredNode implements TreeNode {
  readonly id: string;
  name = '';
  disabled = false;
  parent: StoredNode | null = null;
  head: RevisionRecord | null = null;
  policy: ParentPolicy = 'pinned';
  detached = false;
  archived = false;
  version = 1;
  readonly handle: number;
  /** Most nodes have one, and need no list for it. */
  private held: RevisionRecord | readonly RevisionRecord[] = NO_REVISIONS;
  aliases = NO_ALIASES;
  redirects = NO_REDIRECTS;
  /** The next node of which the index of children takes the same hash. */
  nextAlike: StoredNode | null = null;
  modelId = '';
  /** Known before the revision itself is. */
  headId: string | null = null;

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
    this.version = record.version;
    this.modelId = modelId;
    this.head = head;
    this.headId = head?.id ?? record.headId;
  }

  get revisions(): readonly RevisionRecord[] {
    return isList(this.held) ? this.held : [this.held];
  }

  set revisions(revisions: readonly RevisionRecord[]) {
    const [first] = revisions;
    this.held = first && revisions.length === 1 ? first : revisions;
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
      headId: this.headId,
      version: this.version,
    };
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
