/** Which rows a commit changed, as the audit log keeps it, so that other instances know what to read again. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Transaction } from '../database/database.js';
import type { AliasRecord, RedirectRecord, TreeChange } from '../tree/records.js';
import { toNodeRecord, toRegisteredModel, toRevisionRecord } from './records-of-rows.js';
import type { MergePin } from './merges/merge-pin.js';
import type { RegisteredModel } from './registered-model.js';

const ids = z.array(z.string()).optional();

export const changedRows = z.object({
  models: ids,
  nodes: ids,
  /** Tops of subtrees. */
  removedNodes: ids,
  revisions: ids,
  /** Nodes whose aliases changed. */
  aliasesOf: ids,
  /** Nodes under which redirects changed. */
  redirectsUnder: ids,
  mergePins: ids,
  keys: ids,
});
export type ChangedRows = z.infer<typeof changedRows>;

/** What the tree is to be set to, with the models as the service knows them. */
export interface RegistryChange extends TreeChange {
  models?: readonly RegisteredModel[];
  mergePins?: readonly { id: string; pin: MergePin | null }[];
  /** Ids of keys. */
  keys?: readonly string[];
}

export function rowsOf(change: RegistryChange): ChangedRows {
  const named = (rows: readonly { id: string }[] | undefined) => rows?.map(({ id }) => id);
  return {
    models: named(change.models),
    nodes: named(change.nodes),
    removedNodes: change.removedNodes && [...change.removedNodes],
    revisions: named(change.revisions),
    aliasesOf: change.aliases?.map(({ nodeId }) => nodeId),
    redirectsUnder: change.redirects?.map(({ parentId }) => parentId),
    mergePins: named(change.mergePins),
    keys: change.keys && [...change.keys],
  };
}

/** All of several commits together. */
export function mergeRows(all: readonly ChangedRows[]): ChangedRows {
  const merged: ChangedRows = {};
  for (const key of Object.keys(changedRows.shape) as (keyof ChangedRows)[]) {
    const found = new Set(all.flatMap((rows) => rows[key] ?? []));
    if (found.size > 0) merged[key] = [...found];
  }
  return merged;
}

/** The rows as they are now. `models`: the folder of imported checkpoints. */
export async function readChange(reader: Transaction, rows: ChangedRows, models: string): Promise<RegistryChange> {
  const some = (ids: string[] | undefined) => ({ in: ids ?? [] });
  const nodeIds = [...(rows.nodes ?? []), ...(rows.removedNodes ?? [])];
  const nodes = nodeIds.length === 0 ? [] : await reader.node.findMany({ where: { id: some(nodeIds) } });
  const revisions = rows.revisions
    ? await reader.revision.findMany({
        where: { id: some(rows.revisions), node: { deletedAt: null } },
        omit: { targets: true, card: true },
      })
    : [];
  const modelRows = rows.models ? await reader.model.findMany({ where: { id: some(rows.models) } }) : [];
  const roots = new Map(nodes.filter(({ parentId }) => parentId === null).map((node) => [node.modelId, node.id]));
  const aliases = rows.aliasesOf ? await reader.alias.findMany({ where: { nodeId: some(rows.aliasesOf) } }) : [];
  const redirects = rows.redirectsUnder
    ? await reader.redirect.findMany({ where: { parentId: some(rows.redirectsUnder) } })
    : [];
  const pins = rows.mergePins ? await reader.mergePin.findMany({ where: { id: some(rows.mergePins) } }) : [];
  const present = nodes.filter(({ deletedAt }) => deletedAt === null);
  return {
    models: modelRows.map((row) => toRegisteredModel(row, roots.get(row.id) ?? '', join(models, row.digest))),
    nodes: present.map(toNodeRecord),
    removedNodes: nodes.filter(({ deletedAt }) => deletedAt !== null).map(({ id }) => id),
    revisions: revisions.map(toRevisionRecord),
    aliases: (rows.aliasesOf ?? []).map((nodeId) => ({
      nodeId,
      aliases: aliases.filter((alias) => alias.nodeId === nodeId).map(toAliasRecord),
    })),
    redirects: (rows.redirectsUnder ?? []).map((parentId) => ({
      parentId,
      redirects: redirects.filter((one) => one.parentId === parentId).map(toRedirectRecord),
    })),
    mergePins: rows.mergePins?.map((id) => ({ id, pin: pins.find((pin) => pin.id === id) ?? null })),
    keys: rows.keys,
  };
}

export function toAliasRecord({ name, revisionId, protected: isProtected }: AliasRow): AliasRecord {
  return { name, revisionId, protected: isProtected };
}

export function toRedirectRecord({ id, name, nodeId }: RedirectRecord): RedirectRecord {
  return { id, name, nodeId };
}

export interface AliasRow {
  name: string;
  revisionId: string;
  protected: boolean;
}
