/** Reads the audit log: who changed what, when, by which request. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import { mayUse, type Caller } from '../../access/scope.js';
import { Database } from '../../database/database.js';
import { cursorKey, toPage, type Page } from '../dto/page.js';
import { findNode, isVisible } from '../node-lookup.js';
import { TreeMirror } from '../tree-mirror.js';
import { auditRows, newestSequence, type AuditSelection } from './audit-rows.js';
import { withinSight } from './audit-view.js';
import { toAuditEntryDto, type AuditEntryDto, type AuditFilter, type AuditQuery, type AuditRow } from './audit.dto.js';

const SEQUENCE = /^\d{1,18}$/;
const NODE_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
/** Entries that an export has in memory. */
const EXPORT_PAGE = 500;

@Injectable()
export class AuditService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
  ) {}

  /** The newest first. */
  async list({ caller }: RequestContext, { limit, cursor, ...filter }: AuditQuery): Promise<Page<AuditEntryDto>> {
    const last = cursorKey(cursor, SEQUENCE);
    const selection = this.#select(caller, filter);
    const page = { order: 'newest', after: last === null ? null : BigInt(last), limit: limit + 1 } as const;
    const rows = selection === null ? [] : await auditRows(this.database.client, selection, page);
    return toPage(
      rows,
      limit,
      ({ sequence }) => String(sequence),
      (row) => this.#view(row, caller),
    );
  }

  /** Lines of JSON, the oldest first, up to the entry that is the newest now. */
  async export({ caller }: RequestContext, filter: AuditFilter): Promise<AsyncIterable<string>> {
    const selection = this.#select(caller, filter);
    const newest = await newestSequence(this.database.client);
    return this.#lines(caller, selection, newest);
  }

  async *#lines(caller: Caller, selection: AuditSelection | null, newest: bigint): AsyncGenerator<string> {
    for (let after = 0n; selection !== null;) {
      const rows = await auditRows(this.database.client, selection, { order: 'oldest', after, limit: EXPORT_PAGE });
      const due = rows.filter(({ sequence }) => sequence <= newest);
      if (due.length > 0) yield due.map((row) => `${JSON.stringify(this.#view(row, caller))}\n`).join('');
      if (due.length < EXPORT_PAGE) return;
      after = due.at(-1)?.sequence ?? newest;
    }
  }

  /** Null: the caller's subtree was deleted, and it sees nothing. */
  #select(caller: Caller, { node, action, key, from, to, request }: AuditFilter): AuditSelection | null {
    const { tree } = this.mirror;
    if (caller.subtree !== null && !tree.node(caller.subtree)) return null;
    const nodeId = node === undefined || NODE_ID.test(node) ? node : findNode(tree, node, caller).id;
    return {
      nodeId: nodeId ?? null,
      action: action ?? null,
      key: key ?? null,
      from: from === undefined ? null : new Date(from),
      to: to === undefined ? null : new Date(to),
      requestId: request ?? null,
      subtree: caller.subtree,
      isAdmin: mayUse(caller, ['admin']),
    };
  }

  #view(row: AuditRow, caller: Caller): AuditEntryDto {
    const entry = toAuditEntryDto(row);
    const { tree } = this.mirror;
    if (caller.subtree === null) return entry;
    // Where it is deleted meanwhile, nothing lies within it.
    const top = tree.node(caller.subtree) ? tree.pathOf(caller.subtree) : '';
    const isVisibleId = (id: string) => isVisible(tree, caller, tree.revision(id)?.nodeId ?? id);
    return withinSight(entry, { top, isVisibleId });
  }
}
