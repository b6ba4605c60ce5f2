/**
 * The audit log: written by the transaction of the change itself, numbered in the order of the commits and without gaps.
 * Both hold because writers come one after another: each takes a lock of the whole database first, and gives it up with
 * its commit. A sequence of the database would give numbers in the order of the inserts, and readers could miss some.
 */
import type { RequestContext } from '../access/request-context.js';
import type { Transaction } from '../database/database.js';
import type { Prisma } from '../database/generated/client.js';
import type { ChangedRows } from './changed-rows.js';

/** What is said of a change. */
export interface AuditInput {
  /** `node.create`, `head.promote`, … */
  action: string;
  nodeId: string | null;
  /** Path of the node after the change. */
  path: string | null;
  before: Prisma.InputJsonObject | null;
  after: Prisma.InputJsonObject | null;
}

/** Channel on which commits are announced; its payload is the sequence. */
export const CHANGES_CHANNEL = 'espalier_registry';

/** Any number that no other program on the database uses: "espalier" in bytes, cut to 31 bits. */
const WRITERS_LOCK = 0x65737061;

/** Waits until no other instance writes, and keeps others from it until the transaction ends. */
export async function lockWriters(transaction: Transaction): Promise<void> {
  await transaction.$executeRaw`SELECT pg_advisory_xact_lock(${WRITERS_LOCK}::bigint)`;
}

/** Only with the writers' lock. Returns the sequences given. */
export async function appendAudit(
  transaction: Transaction,
  { caller, requestId }: RequestContext,
  entries: readonly AuditInput[],
  rows: ChangedRows,
  last: bigint,
): Promise<bigint[]> {
  const sequences = entries.map((_, i) => last + BigInt(i + 1));
  await transaction.auditEntry.createMany({
    data: entries.map(({ before, after, ...entry }, i) => ({
      ...entry,
      sequence: sequences[i] ?? last,
      keyId: caller.keyId,
      keyName: caller.keyName,
      requestId,
      before: before ?? undefined,
      after: after ?? undefined,
      // Those who follow read them once, with the first.
      changes: i === 0 ? rows : {},
    })),
  });
  await transaction.$executeRaw`SELECT pg_notify(${CHANGES_CHANNEL}, ${String(sequences.at(-1))})`;
  return sequences;
}
