/**
 * The path digest: what a resolved path computes, whatever its nodes are called.
 *
 * SHA-256 over the canonical JSON `[base digest, [[revision digest, weight], …]]`, root to leaf. Steps that add nothing
 * (no revision, or weight 0) are left out, so that two paths with one sum share what is cached under it.
 */
import * as crypto from 'node:crypto';

export interface DigestedStep {
  weight: number;
  revision: { digest: string } | null;
}

/** Digests are hex, so nothing in them needs escaping, and the JSON can be written as it comes. */
export function pathDigest(baseDigest: string, steps: readonly DigestedStep[]): string {
  let terms = '';
  for (const { revision, weight } of steps) {
    if (revision !== null && weight !== 0) terms += `${terms && ','}["${revision.digest}",${weight}]`;
  }
  return crypto.hash('sha256', `["${baseDigest}",[${terms}]]`, 'hex');
}
