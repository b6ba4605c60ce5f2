/** Rows of the database → the records that the tree holds. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { Quantization } from '../formats/quantization/scheme.js';
import type { NodeRecord, ParentPolicy, RevisionRecord } from '../tree/records.js';
import type { RegisteredModel } from './registered-model.js';

export interface ModelRow {
  id: string;
  name: string;
  digest: string;
  config: unknown;
  quantization: string | null;
  origins: string[];
  parameters: bigint;
  createdAt: Date;
}

/** `folder`: absolute. */
export function toRegisteredModel(row: ModelRow, rootNodeId: string, folder: string): RegisteredModel {
  return {
    id: row.id,
    name: row.name,
    digest: row.digest,
    rootNodeId,
    folder,
    // Written by the import, from a checked config.json.
    config: row.config as ModelConfig,
    quantization: row.quantization as Quantization | null,
    origins: row.origins,
    parameters: Number(row.parameters),
    createdAt: row.createdAt,
  };
}

export interface NodeRow {
  id: string;
  modelId: string;
  parentId: string | null;
  name: string;
  policy: string;
  disabledAt: Date | null;
  detached: boolean;
  archivedAt: Date | null;
  pinnedAt: Date | null;
  headId: string | null;
  version: number;
}

/** The columns that a `NodeRow` needs. */
export const nodeRecordColumns = {
  id: true,
  modelId: true,
  parentId: true,
  name: true,
  policy: true,
  disabledAt: true,
  detached: true,
  archivedAt: true,
  pinnedAt: true,
  headId: true,
  version: true,
} as const;

export function toNodeRecord(row: NodeRow): NodeRecord {
  return {
    id: row.id,
    modelId: row.modelId,
    parentId: row.parentId,
    name: row.name,
    policy: row.policy as ParentPolicy,
    disabled: row.disabledAt !== null,
    detached: row.detached,
    archived: row.archivedAt !== null,
    pinned: row.pinnedAt !== null,
    headId: row.headId,
    version: row.version,
  };
}

export interface RevisionRow {
  id: string;
  nodeId: string;
  number: number;
  digest: string;
  trainedOnId: string | null;
  rank: number;
  bytes: bigint;
  configBlob: string;
  weightsBlob: string;
  recalledAt: Date | null;
  fallbackId: string | null;
}

/** The columns that a `RevisionRow` needs. */
export const revisionRecordColumns = {
  id: true,
  nodeId: true,
  number: true,
  digest: true,
  trainedOnId: true,
  rank: true,
  bytes: true,
  configBlob: true,
  weightsBlob: true,
  recalledAt: true,
  fallbackId: true,
} as const;

export function toRevisionRecord(row: RevisionRow): RevisionRecord {
  return {
    id: row.id,
    nodeId: row.nodeId,
    number: row.number,
    digest: row.digest,
    trainedOnId: row.trainedOnId,
    rank: row.rank,
    bytes: Number(row.bytes),
    configBlob: row.configBlob,
    weightsBlob: row.weightsBlob,
    recalled: row.recalledAt !== null,
    fallbackId: row.fallbackId,
  };
}
