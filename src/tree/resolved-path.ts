/** What a path means now: an ordered list of (revision, weight) on a base model, and its digest. */

/** Why resolution chose a node's revision. */
export type ResolutionReason =
  /** The head, and nothing below pins another: it is the last segment's, or the node below has no revision. */
  | 'head'
  /** Named with `@` in the path. */
  | 'explicit'
  /** The revision that the one below was trained on; none, where it was trained before this node had any. */
  | 'pinned'
  /** The head, because the node below follows it, or was trained under another parent. */
  | 'follow'
  /** The node has no revision: it contributes nothing. */
  | 'empty'
  /** What stands in for the revision that the node below was trained on, which was recalled. */
  | 'fallback';

export interface ResolvedStep {
  nodeId: string;
  /** Path of the node, model first: `storyteller/french`. */
  nodePath: string;
  reason: ResolutionReason;
  /** w: the request's weight for the node, three decimals at most. */
  weight: number;
  /** Null where the node contributes nothing: it has no revision, or had none when the one below was trained. */
  revision: ResolvedRevision | null;
  /** The parent's head is no longer what this revision was trained on (or an ancestor's is). */
  stale: boolean;
  /** An explicit `@`, or a fallback, is another parent revision than the one below was trained on. */
  offPin: boolean;
  /** Number of the recalled revision that this step would have, were it not recalled. */
  recalled: number | null;
}

export interface ResolvedRevision {
  id: string;
  number: number;
  digest: string;
  /** Largest rank over modules: the rank rows that it takes in the bank. */
  rank: number;
  bytes: number;
  /** Content addresses of the PEFT folder's two files. */
  configBlob: string;
  weightsBlob: string;
}

export interface ResolvedPath {
  /** Canonical form of what was asked for: where the nodes lie now. */
  path: string;
  /** What was asked for, where a node has moved from there; else null. */
  redirectedFrom: string | null;
  model: { id: string; name: string; digest: string };
  /** Root to leaf, without the root. */
  steps: ResolvedStep[];
  /** Path digest: base digest + ordered (revision digest, weight); steps without revision or with weight 0 left out. */
  digest: string;
}
