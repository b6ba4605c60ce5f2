/**
 * What a key looks like: `esp_` and 12 hex digits, which find its row, then 256 random bits, which prove it. Bits enough
 * that one round of SHA-256 hides them.
 */
import { createHash, randomBytes } from 'node:crypto';

export interface NewKey {
  /** The whole key; shown once, never stored. */
  text: string;
  prefix: string;
  hash: string;
}

const KEY = /^(esp_[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export function newKey(): NewKey {
  const prefix = `esp_${randomBytes(6).toString('hex')}`;
  const text = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { text, prefix, hash: hashOf(text).toString('hex') };
}

/** Null if the text has not the form of a key. */
export function prefixOf(text: string): string | null {
  return KEY.exec(text)?.[1] ?? null;
}

export function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
