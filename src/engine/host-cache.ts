/**
 * Folded adapters in host memory, least recently used first out, by bytes.
 *
 * What was loaded for a waiting row is held until the bank takes it, or until nobody has asked for it for a while: else
 * two waiting paths that don't fit together could throw each other out for ever. Held adapters count towards the limit
 * and may exceed it, so load only for rows that are next in line.
 */
import { LRUCache } from 'lru-cache';
import type { FoldedAdapter } from './folded-adapter.js';

/** How long after the last request for it a held adapter becomes an ordinary entry. */
const HOLD_MS = 30_000;

export class HostCache {
  readonly limitBytes: number;
  readonly #entries: LRUCache<string, FoldedAdapter>;
  readonly #held = new Map<string, { adapter: FoldedAdapter; askedAtMs: number }>();
  readonly #listeners = new Set<(digest: string) => void>();
  #heldBytes = 0;
  #evictions = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
    this.#entries = new LRUCache({
      maxSize: Number.MAX_SAFE_INTEGER,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
    });
  }

  get bytes(): number {
    return this.#entries.calculatedSize + this.#heldBytes;
  }

  /** Of what is held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get size(): number {
    return this.#entries.size + this.#held.size;
  }

  /** Called with the digest of each adapter that is dropped for want of room. */
  onDrop(listener: (digest: string) => void): void {
    this.#listeners.add(listener);
  }

  offDrop(listener: (digest: string) => void): void {
    this.#listeners.delete(listener);
  }

  has(digest: string): boolean {
    return this.#held.has(digest) || this.#entries.has(digest);
  }

  get(digest: string): FoldedAdapter | undefined {
    return this.#held.get(digest)?.adapter ?? this.#entries.get(digest);
  }

  /** Holds an adapter for a row that waits for it. */
  hold(adapter: FoldedAdapter, nowMs: number): void {
    if (this.#held.has(adapter.digest)) return this.touch(adapter.digest, nowMs);
    this.#entries.delete(adapter.digest);
    this.#held.set(adapter.digest, { adapter, askedAtMs: nowMs });
    this.#heldBytes += adapter.bytes;
    this.#trim(nowMs);
  }

  /** A waiting row still wants it: holds it again if it had become an ordinary entry. */
  touch(digest: string, nowMs: number): void {
    const held = this.#held.get(digest);
    if (held !== undefined) {
      held.askedAtMs = nowMs;
      return;
    }
    const adapter = this.#entries.get(digest);
    if (adapter !== undefined) this.hold(adapter, nowMs);
  }

  /** The bank has it: from now on it is an ordinary entry. */
  letGo(digest: string, nowMs: number): void {
    const held = this.#held.get(digest);
    if (held === undefined) return;
    this.#held.delete(digest);
    this.#heldBytes -= held.adapter.bytes;
    this.#entries.set(digest, held.adapter);
    this.#trim(nowMs);
  }

  #trim(nowMs: number): void {
    if (this.bytes <= this.limitBytes) return;
    for (const [digest, { adapter, askedAtMs }] of this.#held) {
      if (nowMs - askedAtMs < HOLD_MS) continue;
      this.#held.delete(digest);
      this.#heldBytes -= adapter.bytes;
      this.#entries.set(digest, adapter);
    }
    while (this.bytes > this.limitBytes && this.#entries.size > 0) {
      const dropped = this.#entries.pop();
      if (dropped === undefined) return;
      this.#evictions++;
      for (const listener of this.#listeners) listener(dropped.digest);
    }
  }
}
