/**
 * Movable names for the revisions of a node. Whoever writes moves them; a protected one says what is served, like the
 * head, and is for those who may promote.
 */
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { RequestContext } from '../../access/request-context.js';
import { mayUse, type Scope } from '../../access/scope.js';
import { Database, type Transaction } from '../../database/database.js';
import { MissingScopeError } from '../../errors/access.js';
import { VersionConflictError } from '../../errors/requests.js';
import { AliasNotFoundError, TooManyAliasesError } from '../../errors/revisions.js';
import type { AliasRecord, NodeRecord, RevisionRecord } from '../../tree/records.js';
import { toAliasRecord } from '../changed-rows.js';
import { cursorKey, toPage, type Page, type PageQuery } from '../dto/page.js';
import { findNode, refuseArchived } from '../node-lookup.js';
import { RegistryWrites, unchanged, type Change } from '../registry-writes.js';
import { servableRevision } from '../revision-of-node.js';
import { TreeMirror } from '../tree-mirror.js';
import {
  aliasRelations,
  toAliasDto,
  type AliasDto,
  type AliasRow,
  type SetAlias,
  type SetAliasDto,
} from './alias.dto.js';

/** They lie in memory, and a node shows all of them. */
const MAX_ALIASES = 100;

const MOVES_PROTECTED: [Scope] = ['promote'];
const MOVES_OTHERS: [Scope, Scope] = ['write', 'promote'];

@Injectable()
export class AliasesService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
  ) {}

  /** By name. */
  async list({ caller }: RequestContext, idOrPath: string, { limit, cursor }: PageQuery): Promise<Page<AliasDto>> {
    const { tree } = this.mirror;
    const { id } = findNode(tree, idOrPath, caller);
    const after = cursorKey(cursor, /^[a-z0-9._-]{1,64}$/);
    const rows = await this.database.client.alias.findMany({
      where: { nodeId: id, ...(after === null ? {} : { name: { gt: after } }) },
      orderBy: { name: 'asc' },
      take: limit + 1,
      include: aliasRelations,
    });
    const path = tree.pathOf(id);
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (row) => toAliasDto(row, path),
    );
  }

  /** Makes the alias, or moves it. */
  set(
    context: RequestContext,
    idOrPath: string,
    name: string,
    wanted: SetAlias,
    expectedVersion?: number,
  ): Promise<SetAliasDto> {
    return this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const node = findNode(tree, idOrPath, context.caller);
      refuseArchived(tree, node.id);
      const before = await this.#find(transaction, node, name);
      const isProtected = wanted.protected ?? before?.protected ?? false;
      requireScope(context, isProtected || before?.protected === true);
      this.#expectVersion(node, name, before, expectedVersion);
      const revision = servableRevision(tree, node.id, wanted.revision);
      return before
        ? this.#move(transaction, node, before, revision, isProtected)
        : this.#create(transaction, node, name, revision, isProtected);
    });
  }

  /** Answers what it was. */
  remove(context: RequestContext, idOrPath: string, name: string, expectedVersion?: number): Promise<AliasDto> {
    return this.writes.commit(context, async (transaction) => {
      const node = findNode(this.mirror.tree, idOrPath, context.caller);
      const before = await this.#find(transaction, node, name);
      if (!before) throw this.#notFound(node, name);
      requireScope(context, before.protected);
      this.#expectVersion(node, name, before, expectedVersion);
      await transaction.alias.delete({ where: { nodeId_name: { nodeId: node.id, name } } });
      return this.#change('alias.delete', node, before, null);
    });
  }

  async #create(
    transaction: Transaction,
    node: NodeRecord,
    name: string,
    revision: RevisionRecord,
    isProtected: boolean,
  ): Promise<Change<SetAliasDto>> {
    const { tree } = this.mirror;
    if (tree.aliases(node.id).length >= MAX_ALIASES) throw new TooManyAliasesError(tree.pathOf(node.id), MAX_ALIASES);
    const row = await transaction.alias.create({
      data: { id: ulid(), nodeId: node.id, name, revisionId: revision.id, protected: isProtected },
      include: aliasRelations,
    });
    const change = this.#change('alias.set', node, null, row);
    return { ...change, result: { ...change.result, outcome: 'created', before: null } };
  }

  async #move(
    transaction: Transaction,
    node: NodeRecord,
    before: AliasRow,
    revision: RevisionRecord,
    isProtected: boolean,
  ): Promise<Change<SetAliasDto>> {
    const was = before.revision.number;
    const moves = before.revision.id !== revision.id;
    if (!moves && before.protected === isProtected) {
      const dto = toAliasDto(before, this.mirror.tree.pathOf(node.id));
      return unchanged({ ...dto, outcome: 'unchanged', before: was });
    }
    const row = await transaction.alias.update({
      where: { nodeId_name: { nodeId: node.id, name: before.name } },
      data: { revisionId: revision.id, protected: isProtected, version: { increment: 1 } },
      include: aliasRelations,
    });
    const change = this.#change(moves ? 'alias.move' : 'alias.set', node, before, row);
    return { ...change, result: { ...change.result, outcome: 'changed', before: was } };
  }

  #change(action: string, node: NodeRecord, before: AliasRow | null, after: AliasRow | null): Change<AliasDto> {
    const { tree } = this.mirror;
    const path = tree.pathOf(node.id);
    const shown = after ?? before;
    if (!shown) throw new TypeError('An alias is made, moved or deleted.');
    const others = tree.aliases(node.id).filter(({ name }) => name !== shown.name);
    const mine: AliasRecord[] = after ? [toAliasRecord({ ...after, revisionId: after.revision.id })] : [];
    return {
      result: toAliasDto(shown, path),
      change: { aliases: [{ nodeId: node.id, aliases: [...others, ...mine] }] },
      audit: [{ action, nodeId: node.id, path, before: audited(before), after: audited(after) }],
    };
  }

  #find(transaction: Transaction, { id }: NodeRecord, name: string): Promise<AliasRow | null> {
    const nodeId_name = { nodeId: id, name };
    return transaction.alias.findUnique({ where: { nodeId_name }, include: aliasRelations });
  }

  /** A version that was seen of an alias that is gone is a conflict too: the alias isn't made anew. */
  #expectVersion(node: NodeRecord, name: string, row: AliasRow | null, expected: number | undefined): void {
    if (expected === undefined || row?.version === expected) return;
    if (!row) throw this.#notFound(node, name);
    const path = this.mirror.tree.pathOf(node.id);
    throw new VersionConflictError(`"${path}@${name}"`, expected, row.version, toAliasDto(row, path));
  }

  #notFound(node: NodeRecord, name: string): AliasNotFoundError {
    const { tree } = this.mirror;
    const known = tree.aliases(node.id).map((alias) => alias.name);
    return new AliasNotFoundError(tree.pathOf(node.id), name, known);
  }
}

function requireScope({ caller }: RequestContext, isProtected: boolean): void {
  const needed = isProtected ? MOVES_PROTECTED : MOVES_OTHERS;
  if (!mayUse(caller, needed)) throw new MissingScopeError(needed, caller.scopes);
}

function audited(alias: AliasRow | null) {
  return alias && { alias: alias.name, revision: alias.revision.number, protected: alias.protected };
}
