/** What a recall or its reversal comes to, for those who asked and for the audit log. */
import type { AdapterTree } from '../../tree/adapter-tree.js';
import { standIn } from '../../tree/resolution.js';
import type { AuditInput } from '../audit-log.js';
import type { MovedAliases } from './moved-aliases.js';
import type { PinnedChildren } from './pinned-children.js';
import type { RecallDto } from './recall.dto.js';

export interface RecallOutcome {
  /** As it is now. */
  revision: {
    id: string;
    number: number;
    digest: string;
    recalledAt: Date | null;
    recallReason: string | null;
    fallbackId: string | null;
  };
  /** As it is now. */
  node: { id: string; headId: string | null; version: number };
  headBefore: string | null;
  aliases: MovedAliases['moved'];
  pinned: PinnedChildren;
}

export function viewRecall(tree: AdapterTree, outcome: RecallOutcome, isUnchanged: boolean): RecallDto {
  const { revision, node, headBefore, aliases, pinned } = outcome;
  const path = tree.pathOf(node.id);
  const { id, number, digest, recalledAt, recallReason } = revision;
  const fallback = revision.fallbackId === null ? undefined : tree.revision(revision.fallbackId);
  const inItsPlace = fallback ? (standIn(tree, fallback)?.number ?? null) : null;
  return {
    nodeId: node.id,
    path,
    revision: { id, number, digest },
    recalled: recalledAt && { at: recalledAt.toISOString(), reason: recallReason },
    fallback: fallback?.number ?? null,
    head: { before: numberOf(tree, headBefore), after: numberOf(tree, node.headId) },
    aliases,
    affected: {
      total: pinned.total,
      children: pinned.named.map((child) => ({
        nodeId: child.nodeId,
        path: `${path}/${child.name}`,
        revision: child.number,
        isHead: child.isHead,
        servedOn: recalledAt === null ? number : inItsPlace,
      })),
    },
    unchanged: isUnchanged,
    version: node.version,
  };
}

/** The recall itself, and an entry of their own for the head and each alias that moved with it. */
export function auditRecall(tree: AdapterTree, outcome: RecallOutcome): AuditInput[] {
  const { revision, node, headBefore, aliases, pinned } = outcome;
  const { number, recallReason } = revision;
  const path = tree.pathOf(node.id);
  const fallback = numberOf(tree, revision.fallbackId);
  const head = { before: numberOf(tree, headBefore), after: numberOf(tree, node.headId) };
  const entry = (action: string, before: AuditInput['before'], after: AuditInput['after']): AuditInput => ({
    action,
    nodeId: node.id,
    path,
    before,
    after,
  });
  const affected = {
    total: pinned.total,
    children: pinned.named.map((child) => ({ path: `${path}/${child.name}`, revision: child.number })),
  };
  return [
    entry(
      'revision.recall',
      { revision: number, recalled: false, head: head.before },
      { revision: number, recalled: true, reason: recallReason, fallback, head: head.after, affected },
    ),
    ...(head.before === head.after ? [] : [entry('head.recall', { head: head.before }, { head: head.after })]),
    ...aliases.map(({ name: alias, after }) =>
      after === null
        ? entry('alias.delete', { alias, revision: number }, null)
        : entry('alias.move', { alias, revision: number }, { alias, revision: after }),
    ),
  ];
}

function numberOf(tree: AdapterTree, revisionId: string | null): number | null {
  return revisionId === null ? null : (tree.revision(revisionId)?.number ?? null);
}
