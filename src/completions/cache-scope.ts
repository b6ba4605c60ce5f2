/**
 * Whose requests may reuse each other's KV: those of one API key, or those that carry the same `cache_salt`, whatever
 * their keys. How soon an answer comes tells whether its beginning was asked for before, so strangers must not share.
 */
import { createHash } from 'node:crypto';
import type { RequestContext } from '../access/request-context.js';

/** Undefined: with nobody, not even with itself. */
export function cacheScope({ caller }: RequestContext, salt?: string | null): string | undefined {
  if (salt != null) return nameOf('salt', salt);
  return caller.keyId === null ? undefined : nameOf('key', caller.keyId);
}

function nameOf(kind: 'key' | 'salt', name: string): string {
  return createHash('sha256').update(`${kind} ${name}`).digest('hex');
}
