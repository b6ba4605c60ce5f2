/** What the tree mirrors of the registry's rows. Immutable values: a change is a new record. */

export interface ModelRecord {
  id: string;
  name: string;
  /** Base digest. */
  digest: string;
  /** The node at the root of its tree, whose name is the model's. */
  rootNodeId: string;
}

/** Which revision of its parent a node is served with. */
export type ParentPolicy =
  /** The one that the served revision was trained on. */
  | 'pinned'
  /** The parent's head. */
  | 'follow';

export interface NodeRecord {
  id: string;
  modelId: string;
  /** Null for the root alone. */
  parentId: string | null;
  /** One path segment. */
  name: string;
  policy: ParentPolicy;
  /** Neither it nor what is below it is served. */
  disabled: boolean;
  /** Moved under another parent by force; ends with the next revision. */
  detached: boolean;
  /** Put away: neither it nor what is below it is served, listed or pushed to. */
  archived: boolean;
  /** Its head's adapter is to stay in host memory. */
  pinned: boolean;
  headId: string | null;
  /** Counts the changes of the row. */
  version: number;
}

export interface RevisionRecord {
  id: string;
  nodeId: string;
  /** 1, 2, … within the node. */
  number: number;
  digest: string;
  /** The parent's revision that it was trained on; null where the parent has none (the root, a node without revisions). */
  trainedOnId: string | null;
  /** Largest rank over modules: the rank rows that it takes in the bank. */
  rank: number;
  bytes: number;
  /** Content addresses (sha256, hex) of the PEFT folder's two files. */
  configBlob: string;
  weightsBlob: string;
  /** Out of service: what asks for it by a pin gets the fallback. */
  recalled: boolean;
  /** The revision of the same node that stands in for it once it is recalled; null: the node then contributes nothing. */
  fallbackId: string | null;
}

/** A movable name for a revision of its node. */
export interface AliasRecord {
  name: string;
  revisionId: string;
  protected: boolean;
}

/** A name that a node had under this parent before it moved. */
export interface RedirectRecord {
  id: string;
  name: string;
  nodeId: string;
}

/** What one or more commits changed: each list holds whole new states, in any order. */
export interface TreeChange {
  models?: readonly ModelRecord[];
  nodes?: readonly NodeRecord[];
  /** With all that is below them. */
  removedNodes?: readonly string[];
  revisions?: readonly RevisionRecord[];
  /** All aliases of a node. */
  aliases?: readonly { nodeId: string; aliases: readonly AliasRecord[] }[];
  /** All redirects under a parent. */
  redirects?: readonly { parentId: string; redirects: readonly RedirectRecord[] }[];
}
