/** The history of heads: which revision a node served from when on, why, and who saw to that. */
import type { RequestContext } from '../access/request-context.js';
import type { Transaction } from '../database/database.js';

export const HEAD_REASONS = ['first', 'promote', 'rollback', 'recall', 'repin'] as const;
export type HeadReason = (typeof HEAD_REASONS)[number];

export interface HeadMove {
  nodeId: string;
  /** Null: nothing is served from now on. */
  revisionId: string | null;
  reason: HeadReason;
}

/** Belongs into the transaction that sets the node's head. */
export async function recordHead(
  transaction: Transaction,
  { caller: { keyId, keyName } }: RequestContext,
  move: HeadMove,
): Promise<void> {
  await transaction.headChange.create({ data: { ...move, keyId, keyName } });
}

/**
 * What a rollback leads to. Promotions stack up; a rollback takes the topmost away, and so does a recall that gives way to
 * a head from before. What `isServable` refuses was recalled, and is passed over.
 */
export function previousHead(
  history: readonly { revisionId: string | null; reason: string }[],
  isServable: (revisionId: string) => boolean = () => true,
): string | null {
  const stack: (string | null)[] = [];
  for (const { revisionId, reason } of history) {
    const goesBack = (reason === 'rollback' || reason === 'recall') && revisionId !== null;
    const at = goesBack ? stack.slice(0, -1).lastIndexOf(revisionId) : -1;
    if (at >= 0) stack.length = at + 1;
    else stack.push(revisionId);
  }
  const head = stack.at(-1);
  return stack.slice(0, -1).findLast((id) => id !== null && id !== head && isServable(id)) ?? null;
}
