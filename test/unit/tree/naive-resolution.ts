/** Resolution as the definition reads, recursively and over plain rows: slow, and with nothing in common with src/tree. */
import type { NodeRecord, RevisionRecord } from '../../../src/tree/records.js';
import type { Rows } from './rows.js';

export interface Asked {
  nodeId: string;
  /** By depth, the root left out: the number named with `@`, or null. */
  numbers: (number | null)[];
}

export interface NaiveStep {
  nodeId: string;
  revisionId: string | null;
  reason: string;
  offPin: boolean;
  stale: boolean;
}

/** The steps, or the code of the error. */
export function naiveResolve(rows: Rows, { nodeId, numbers }: Asked): NaiveStep[] | string {
  const nodes = rows.lineage(nodeId);
  if (nodes.some((node) => node.disabled)) return 'node_disabled';
  for (const [i, node] of [...nodes.slice(1).entries()].reverse()) {
    const number = numbers[i] ?? null;
    if (number === null) continue;
    const revision = numbered(rows, node, number);
    if (!revision) return 'revision_not_found';
    if (revision.recalled) return 'revision_recalled';
  }

  return nodes.slice(1).map((node, i) => ({
    nodeId: node.id,
    ...served(i + 1),
    stale: isStale(i + 1),
  }));

  function served(depth: number): Omit<NaiveStep, 'nodeId' | 'stale'> {
    const node = nodes[depth]!;
    const below = nodes[depth + 1];
    const belowId = below ? served(depth + 1).revisionId : null;
    const belowRevision = belowId === null ? undefined : rows.revisions.get(belowId);
    const number = numbers[depth - 1] ?? null;
    if (number !== null) {
      const id = numbered(rows, node, number)!.id;
      const offPin = belowRevision !== undefined && belowRevision.trainedOnId !== id;
      return { revisionId: id, reason: 'explicit', offPin };
    }
    const pin = belowRevision?.trainedOnId ?? null;
    const isFree = below?.policy === 'follow' || below?.detached === true;
    const head = (reason: string) => ({ revisionId: node.headId, reason, offPin: false });
    if (node.headId === null && (isFree || pin === null)) return head('empty');
    if (isFree) return head('follow');
    if (!belowRevision) return head('head');
    if (pin === null) return { revisionId: null, reason: 'pinned', offPin: false };
    const pinned = rows.revisions.get(pin)!;
    if (pinned.nodeId !== node.id) return head(node.headId === null ? 'empty' : 'follow');
    if (!pinned.recalled) return { revisionId: pin, reason: 'pinned', offPin: false };
    return { revisionId: inPlaceOf(rows, pin), reason: 'fallback', offPin: true };
  }

  function isStale(depth: number): boolean {
    if (depth === 0) return false;
    const { revisionId } = served(depth);
    const own = revisionId !== null && rows.revisions.get(revisionId)!.trainedOnId !== nodes[depth - 1]!.headId;
    return own || isStale(depth - 1);
  }
}

/** Those whose own head was trained on something else than their parent's head. */
export function naiveStaleNodes(rows: Rows): string[] {
  return [...rows.nodes.values()]
    .filter(({ headId, parentId }) => headId !== null && parentId !== null)
    .filter(({ headId, parentId }) => rows.revisions.get(headId!)!.trainedOnId !== rows.node(parentId!).headId)
    .map(({ id }) => id);
}

/** Whether a node's head, or that of a node above, was trained on something else than its parent's head. */
export function naiveStale(rows: Rows, nodeId: string): boolean {
  const { headId, parentId } = rows.node(nodeId);
  if (parentId === null) return false;
  const own = headId !== null && rows.revisions.get(headId)!.trainedOnId !== rows.node(parentId).headId;
  return own || naiveStale(rows, parentId);
}

/** Recalls come one after another, so a fallback is either in service or was recalled later: no rings. */
function inPlaceOf(rows: Rows, revisionId: string): string | null {
  const { recalled, fallbackId } = rows.revisions.get(revisionId)!;
  if (!recalled) return revisionId;
  return fallbackId === null ? null : inPlaceOf(rows, fallbackId);
}

function numbered(rows: Rows, node: NodeRecord, number: number): RevisionRecord | undefined {
  return rows.revisionsOf(node.id).find((revision) => revision.number === number);
}
