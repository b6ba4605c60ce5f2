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
  const missing = nodes.some((node, depth) => {
    const number = numbers[depth - 1] ?? null;
    return depth > 0 && number !== null && numbered(rows, node, number) === undefined;
  });
  if (missing) return 'revision_not_found';

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
    if (rows.revisionsOf(node.id).length === 0) return { revisionId: null, reason: 'empty', offPin: false };
    if (below?.policy === 'follow' || below?.detached) {
      return { revisionId: node.headId, reason: 'follow', offPin: false };
    }
    if (!belowRevision) return { revisionId: node.headId, reason: 'head', offPin: false };
    const pin = belowRevision.trainedOnId;
    if (pin !== null && rows.revisions.get(pin)!.nodeId !== node.id) {
      return { revisionId: node.headId, reason: 'follow', offPin: false };
    }
    return { revisionId: pin, reason: 'pinned', offPin: false };
  }

  function isStale(depth: number): boolean {
    if (depth === 0) return false;
    const { revisionId } = served(depth);
    const own = revisionId !== null && rows.revisions.get(revisionId)!.trainedOnId !== nodes[depth - 1]!.headId;
    return own || isStale(depth - 1);
  }
}

/** Whether a node's head, or that of a node above, was trained on something else than its parent's head. */
export function naiveStale(rows: Rows, nodeId: string): boolean {
  const { headId, parentId } = rows.node(nodeId);
  if (parentId === null) return false;
  const own = headId !== null && rows.revisions.get(headId)!.trainedOnId !== rows.node(parentId).headId;
  return own || naiveStale(rows, parentId);
}

function numbered(rows: Rows, node: NodeRecord, number: number): RevisionRecord | undefined {
  return rows.revisionsOf(node.id).find((revision) => revision.number === number);
}
