/**
 * API keys: made, changed, rotated, revoked; what was done holds here when it is answered, and in other instances once
 * they have heard of it. A key that is bound to a subtree manages the keys alone that are bound within it.
 */
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import { newKey } from '../../access/api-key.js';
import { ApiKeys } from '../../access/api-keys.js';
import type { RequestContext } from '../../access/request-context.js';
import type { Scope } from '../../access/scope.js';
import { Database, type Transaction } from '../../database/database.js';
import type { ApiKey, Prisma } from '../../database/generated/client.js';
import { ApiKeyNotFoundError, ApiKeyRevokedError, LastAdminKeyError, SubtreeKeyError } from '../../errors/access.js';
import { VersionConflictError } from '../../errors/requests.js';
import { cursorKey, toPage, type Page } from '../dto/page.js';
import { findNode, isVisible } from '../node-lookup.js';
import { RegistryWrites, unchanged, type Change } from '../registry-writes.js';
import { TreeMirror } from '../tree-mirror.js';
import {
  toKeyDto,
  type CreateKey,
  type KeyDto,
  type ListKeys,
  type NewKeyDto,
  type RotateKey,
  type UpdateKey,
} from './key.dto.js';

const KEY_ID = /^[\w-]{1,64}$/;

@Injectable()
export class KeysService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly keys: ApiKeys,
  ) {}

  async list(context: RequestContext, { limit, cursor, revoked }: ListKeys): Promise<Page<KeyDto>> {
    const after = cursorKey(cursor, KEY_ID);
    const found: ApiKey[] = [];
    // Which of them the caller may see, the tree alone can tell.
    for (let last = after; found.length <= limit;) {
      const rows = await this.database.client.apiKey.findMany({
        where: {
          ...(last === null ? {} : { id: { gt: last } }),
          ...(revoked ? {} : { revokedAt: null }),
          ...(context.caller.subtree === null ? {} : { subtreeId: { not: null } }),
        },
        orderBy: { id: 'asc' },
        take: limit + 1,
      });
      found.push(...rows.filter((row) => this.#manages(context, row)));
      last = rows.at(-1)?.id ?? null;
      if (rows.length <= limit) break;
    }
    return toPage(
      found,
      limit,
      ({ id }) => id,
      (row) => this.#view(row),
    );
  }

  async get(context: RequestContext, id: string): Promise<KeyDto> {
    return this.#view(await this.#find(context, this.database.client, id));
  }

  async create(context: RequestContext, { subtree, expiresAt, ...fields }: CreateKey): Promise<NewKeyDto> {
    const { text, prefix, hash } = newKey();
    const row = await this.#commit(context, async (transaction) => {
      const { tree } = this.mirror;
      if (subtree === undefined && context.caller.subtree !== null) throw new SubtreeKeyError();
      const subtreeId = subtree === undefined ? null : findNode(tree, subtree, context.caller).id;
      const created = await transaction.apiKey.create({
        data: { id: ulid(), prefix, hash, subtreeId, expiresAt: dateOf(expiresAt), ...fields },
      });
      return this.#change(created, 'key.create', null, auditOf(created));
    });
    return { ...this.#view(row), key: text };
  }

  async update(
    context: RequestContext,
    id: string,
    { expiresAt, ...fields }: UpdateKey,
    expectedVersion?: number,
  ): Promise<KeyDto> {
    const row = await this.#commit(context, async (transaction) => {
      const key = await this.#live(context, transaction, id, expectedVersion);
      const data = { ...fields, ...(expiresAt === undefined ? {} : { expiresAt: dateOf(expiresAt) }) };
      const after = { ...key, ...data };
      if (JSON.stringify(auditOf(key)) === JSON.stringify(auditOf(after))) return unchanged(key);
      if (!isKeeper(after)) await this.#keepAnAdmin(transaction, key);
      const changed = await transaction.apiKey.update({ where: { id }, data: { ...data, version: { increment: 1 } } });
      return this.#change(changed, 'key.update', auditOf(key), auditOf(changed));
    });
    return this.#view(row);
  }

  /** A new key in place of an old one, which goes on for the overlap. */
  async rotate(
    context: RequestContext,
    id: string,
    { overlapSeconds }: RotateKey,
    expectedVersion?: number,
  ): Promise<NewKeyDto> {
    const { text, prefix, hash } = newKey();
    const row = await this.#commit(context, async (transaction) => {
      const old = await this.#live(context, transaction, id, expectedVersion);
      const { name, scopes, subtreeId, expiresAt, requestsPerMinute, tokensPerMinute } = old;
      const fields = { name, scopes, subtreeId, expiresAt, requestsPerMinute, tokensPerMinute };
      const created = await transaction.apiKey.create({ data: { id: ulid(), prefix, hash, ...fields } });
      const now = new Date();
      const end = new Date(now.getTime() + overlapSeconds * 1000);
      await transaction.apiKey.update({
        where: { id },
        data: {
          version: { increment: 1 },
          ...(overlapSeconds === 0
            ? { revokedAt: now }
            : { expiresAt: old.expiresAt && old.expiresAt < end ? old.expiresAt : end }),
        },
      });
      const before = { ...auditOf(old), key: old.id };
      return this.#change(created, 'key.rotate', before, { ...auditOf(created), overlapSeconds }, [old.id]);
    });
    return { ...this.#view(row), key: text };
  }

  async revoke(context: RequestContext, id: string, expectedVersion?: number): Promise<KeyDto> {
    const row = await this.#commit(context, async (transaction) => {
      const key = await this.#find(context, transaction, id);
      if (key.revokedAt !== null) return unchanged(key);
      this.#expectVersion(key, expectedVersion);
      await this.#keepAnAdmin(transaction, key);
      const revoked = await transaction.apiKey.update({
        where: { id },
        data: { revokedAt: new Date(), version: { increment: 1 } },
      });
      return this.#change(revoked, 'key.revoke', auditOf(key), null);
    });
    return this.#view(row);
  }

  /** Holds on this instance before it is answered. */
  async #commit(context: RequestContext, work: (transaction: Transaction) => Promise<Change<ApiKey>>): Promise<ApiKey> {
    const row = await this.writes.commit(context, work);
    await this.keys.refresh();
    return row;
  }

  #change(
    row: ApiKey,
    action: string,
    before: Prisma.InputJsonObject | null,
    after: Prisma.InputJsonObject | null,
    others: readonly string[] = [],
  ): Change<ApiKey> {
    const { tree } = this.mirror;
    const nodeId = row.subtreeId;
    const path = nodeId !== null && tree.node(nodeId) ? tree.pathOf(nodeId) : null;
    return {
      result: row,
      change: { keys: [row.id, ...others] },
      audit: [{ action, nodeId, path, before, after: after && { key: row.id, ...after } }],
    };
  }

  async #find(context: RequestContext, reader: Transaction, id: string): Promise<ApiKey> {
    const row = KEY_ID.test(id) ? await reader.apiKey.findUnique({ where: { id } }) : null;
    if (!row || !this.#manages(context, row)) throw new ApiKeyNotFoundError(id);
    return row;
  }

  /** One that can still be changed. */
  async #live(
    context: RequestContext,
    transaction: Transaction,
    id: string,
    expectedVersion: number | undefined,
  ): Promise<ApiKey> {
    const key = await this.#find(context, transaction, id);
    if (key.revokedAt !== null) throw new ApiKeyRevokedError(key.name);
    this.#expectVersion(key, expectedVersion);
    return key;
  }

  #expectVersion(key: ApiKey, expected: number | undefined): void {
    if (expected === undefined || expected === key.version) return;
    throw new VersionConflictError(`The key "${key.name}"`, expected, key.version, this.#view(key));
  }

  /** Without one, nobody could make keys any more. */
  async #keepAnAdmin(transaction: Transaction, key: ApiKey): Promise<void> {
    if (!isKeeper(key)) return;
    const others = await transaction.apiKey.count({
      where: { id: { not: key.id }, revokedAt: null, expiresAt: null, subtreeId: null, scopes: { has: 'admin' } },
    });
    if (others === 0) throw new LastAdminKeyError(key.name);
  }

  #manages({ caller }: RequestContext, { subtreeId }: ApiKey): boolean {
    if (caller.subtree === null) return true;
    return subtreeId !== null && isVisible(this.mirror.tree, caller, subtreeId);
  }

  #view(row: ApiKey): KeyDto {
    const { tree } = this.mirror;
    const { subtreeId } = row;
    const path = subtreeId !== null && tree.node(subtreeId) ? tree.pathOf(subtreeId) : null;
    return toKeyDto(row, path, this.keys.lastUse(row.id));
  }
}

/** Whether it is one of those that can always make others. */
function isKeeper({ scopes, subtreeId, expiresAt, revokedAt }: ApiKey): boolean {
  return scopes.includes('admin' satisfies Scope) && subtreeId === null && expiresAt === null && revokedAt === null;
}

function dateOf(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

/** Neither the key nor its hash. */
function auditOf({ name, prefix, scopes, subtreeId, expiresAt, requestsPerMinute, tokensPerMinute }: ApiKey) {
  const expires = expiresAt?.toISOString() ?? null;
  return { name, prefix, scopes, subtree: subtreeId, expiresAt: expires, requestsPerMinute, tokensPerMinute };
}
