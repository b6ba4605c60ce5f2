/** An entry of the audit log, and what entries can be asked for by. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';
import { pageQuery } from '../dto/page.js';

const filters = {
  node: plainText(4096).min(1).optional().describe('Id or path of a node; by its id also one that was deleted.'),
  action: plainText(64).min(1).optional().describe('`node.move`; or the beginning of several, `node.`.'),
  key: plainText(100).min(1).optional().describe('Id or name of the key.'),
  from: z.iso.datetime({ offset: true }).optional().describe('Entries of this moment and later.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Entries before this moment.'),
  request: plainText(200).min(1).optional().describe('Id of the request that made the change.'),
};

export const auditQuery = pageQuery.extend(filters);
export type AuditQuery = z.output<typeof auditQuery>;

export const auditExportQuery = z.strictObject(filters);
export type AuditFilter = z.output<typeof auditExportQuery>;

const state = z.record(z.string(), z.unknown()).nullable();

export const auditEntrySchema = z
  .object({
    sequence: z.number().describe('Grows by one with each entry, in the order of the commits.'),
    at: z.iso.datetime(),
    key: z
      .object({ id: z.string().nullable(), name: z.string() })
      .describe('Who did it; the id is null where the service itself did.'),
    request: z.string(),
    action: z.string(),
    node: z.string().nullable(),
    path: z.string().nullable().describe('Where the node was after the change.'),
    before: state,
    after: state,
  })
  .describe('To a key that is bound to a subtree, what lies outside of it is null.')
  .meta({ id: 'AuditEntry' });
export type AuditEntryDto = z.infer<typeof auditEntrySchema>;

export interface AuditRow {
  sequence: bigint;
  at: Date;
  keyId: string | null;
  keyName: string;
  requestId: string;
  action: string;
  nodeId: string | null;
  path: string | null;
  before: unknown;
  after: unknown;
}

/** The columns of an `AuditRow`. */
export const auditColumns = {
  sequence: true,
  at: true,
  keyId: true,
  keyName: true,
  requestId: true,
  action: true,
  nodeId: true,
  path: true,
  before: true,
  after: true,
} as const;

export function toAuditEntryDto(row: AuditRow): AuditEntryDto {
  return {
    sequence: Number(row.sequence),
    at: row.at.toISOString(),
    key: { id: row.keyId, name: row.keyName },
    request: row.requestId,
    action: row.action,
    node: row.nodeId,
    path: row.path,
    before: state.parse(row.before),
    after: state.parse(row.after),
  };
}
