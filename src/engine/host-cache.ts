/**
 * Folded adapters in host memory, least recently used first out, by bytes.
 *
 * What was loaded for a waiting row is held until the bank takes it, or until nobody has asked for it for a while: else
 * two waiting paths that don't fit together could throw each other out for ever. Held adapters count towards the limit
 * and may exceed it, so load only for rows that are next in line. Pinned adapters stay; they count too, and those that
 * would exceed the limit by themselves are ordinary ones.
 */
import { LRUCache } from 'lru-cache';
import type { FoldedAdapter } from './folded-adapter.js';

/** How long after the last request for it a held adapter becomes an ordinary entry. */
const HOLD_MS = 30_000;

export class HostCache {
  readonly limitBytes: number;
  readonly #entries: LRUCache<string, FoldedAdapter>;
  readonly #held = new Map<string, { adapter: FoldedAdapter; askedAtMs: number }>();
  readonly #pinned = new Map<string, FoldedAdapter>();
  /** How often an adapter is pinned, here or not. */
  readonly #pins = new Map<string, number>();
  readonly #listeners = new Set<(digest: string) => void>();
  #heldBytes = 0;
  #pinnedBytes = 0;
  #evictions = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
    this.#entries = new LRUCache({
      maxSize: Number.MAX_SAFE_INTEGER,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes),
    });
  }

  get bytes(): number {
    return this.#entries.calculatedSize + this.#heldBytes + this.#pinnedBytes;
  }

  get pinnedBytes(): number {
    return this.#pinnedBytes;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get size(): number {
    return this.#entries.size + this.#held.size + this.#pinned.size;
  }

  /** Whether more may be held beside what is held and pinned. */
  get hasRoom(): boolean {
    return this.#heldBytes + this.#pinnedBytes < this.limitBytes;
  }

  /** Called with the digest of each adapter that is dropped for want of room. */
  onDrop(listener: (digest: string) => void): void {
    this.#listeners.add(listener);
  }

  offDrop(listener: (digest: string) => void): void {
    this.#listeners.delete(listener);
  }

  has(digest: string): boolean {
    return this.#pinned.has(digest) || this.#held.has(digest) || this.#entries.has(digest);
  }

  get(digest: string): FoldedAdapter | undefined {
    return this.#pinned.get(digest) ?? this.#held.get(digest)?.adapter ?? this.#entries.get(digest);
  }

  isPinned(digest: string): boolean {
    return this.#pins.has(digest);
  }

  /** Holds an adapter for a row that waits for it. */
  hold(adapter: FoldedAdapter, nowMs: number): void {
    const { digest } = adapter;
    if (this.#pinned.has(digest)) return;
    if (this.#held.has(digest)) return this.touch(digest, nowMs);
    this.#entries.delete(digest);
    if (!this.#keep(adapter)) {
      this.#held.set(digest, { adapter, askedAtMs: nowMs });
      this.#heldBytes += adapter.bytes;
    }
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
    const adapter = this.#takeHeld(digest);
    if (adapter === undefined) return;
    this.#entries.set(digest, adapter);
    this.#trim(nowMs);
  }

  /** From now on, or from when it is loaded, it stays. Counted: it takes as many calls of `unpin` to let it go. */
  pin(digest: string): void {
    const times = this.#pins.get(digest) ?? 0;
    this.#pins.set(digest, times + 1);
    this.#keepIfHere(digest);
  }

  unpin(digest: string, nowMs: number): void {
    const left = (this.#pins.get(digest) ?? 0) - 1;
    if (left > 0) {
      this.#pins.set(digest, left);
      return;
    }
    this.#pins.delete(digest);
    const adapter = this.#pinned.get(digest);
    if (adapter === undefined) return;
    this.#pinned.delete(digest);
    this.#pinnedBytes -= adapter.bytes;
    this.#entries.set(digest, adapter);
    // Pinned ones that had no room may have it now.
    for (const other of this.#pins.keys()) this.#keepIfHere(other);
    this.#trim(nowMs);
  }

  #keepIfHere(digest: string): void {
    if (this.#pinned.has(digest)) return;
    const adapter = this.#held.get(digest)?.adapter ?? this.#entries.peek(digest);
    if (adapter === undefined || !this.#keep(adapter)) return;
    this.#takeHeld(digest);
    this.#entries.delete(digest);
  }

  /** Puts it among the pinned ones, if it is one and fits. */
  #keep(adapter: FoldedAdapter): boolean {
    if (!this.#pins.has(adapter.digest) || this.#pinnedBytes + adapter.bytes > this.limitBytes) return false;
    this.#pinned.set(adapter.digest, adapter);
    this.#pinnedBytes += adapter.bytes;
    return true;
  }

  #takeHeld(digest: string): FoldedAdapter | undefined {
    const held = this.#held.get(digest);
    if (held === undefined) return undefined;
    this.#held.delete(digest);
    this.#heldBytes -= held.adapter.bytes;
    return held.adapter;
  }

  #trim(nowMs: number): void {
    if (this.bytes <= this.limitBytes) return;
    for (const [digest, { adapter, askedAtMs }] of this.#held) {
      if (nowMs - askedAtMs < HOLD_MS) continue;
      this.#takeHeld(digest);
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
