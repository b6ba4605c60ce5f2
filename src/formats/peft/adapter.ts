import { createHash } from 'node:crypto';
import type { LowRankDelta } from '../../lowrank/delta.js';

/** A decoded adapter. Immutable. */
export interface Adapter {
  /** Revision digest, 64 hex digits. */
  digest: string;
  /** Largest rank over modules. */
  rank: number;
  /** By PEFT module name, in the order of the forward pass. */
  deltas: ReadonlyMap<string, LowRankDelta>;
  /** Rank and scale by module. */
  targets: Record<string, { rank: number; scale: number }>;
  /** What `deltas` takes in memory. */
  bytes: number;
  warnings: string[];
}

/** Changes with the meaning of what is hashed. */
const DIGEST_VERSION = 'espalier adapter 1';

/**
 * The digest of what an adapter does: rank and scale of each module, and the values as float32. So the same tensors with
 * another alpha are another revision, and how they were stored or which file they came in makes no difference.
 */
export function adapterDigest(deltas: ReadonlyMap<string, LowRankDelta>): string {
  const hash = createHash('sha256').update(`${DIGEST_VERSION}\n`);
  const modules = [...deltas].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [name, { rank, inFeatures, outFeatures, scale, a, b }] of modules) {
    hash.update(`${JSON.stringify([name, rank, inFeatures, outFeatures, scale])}\n`);
    hash.update(bytesOf(a)).update(bytesOf(b));
  }
  return hash.digest('hex');
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
