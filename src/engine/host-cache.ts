/**
 * Folded adapters in host memory, least recently used first out, by bytes.
 *
 * What waiting rows want is kept, whether it is here or comes later: who keeps it says so, and how much that is
 * (`read-ahead.ts`). Kept adapters count towards the limit and may exceed it. Pinned adapters stay; they count too, and
 * those that would exceed the limit by themselves are ordinary ones.
 */
import { LRUCache } from 'lru-cache';
import type { FoldedAdapter } from './folded-adapter.js';

export class HostCache {
  readonly limitBytes: number;
  readonly #entries: LRUCache<string, FoldedAdapter>;
  readonly #kept = new Map<string, FoldedAdapter>();
  /** By keeper: what is to be kept, here or not. */
  readonly #wanted = new Map<object, { digests: ReadonlySet<string>; bytes: number }>();
  readonly #pinned = new Map<string, FoldedAdapter>();
  /** How often an adapter is pinned, here or not. */
  readonly #pins = new Map<string, number>();
  readonly #listeners = new Set<(digest: string) => void>();
  #keptBytes = 0;
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
    return this.#entries.calculatedSize + this.#keptBytes + this.#pinnedBytes;
  }

  get pinnedBytes(): number {
    return this.#pinnedBytes;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get size(): number {
    return this.#entries.size + this.#kept.size + this.#pinned.size;
  }

  /** Bytes that a keeper may keep, beside what is pinned and what others keep. */
  roomFor(keeper: object): number {
    let room = this.limitBytes - this.#pinnedBytes;
    for (const [other, { bytes }] of this.#wanted) if (other !== keeper) room -= bytes;
    return Math.max(0, room);
  }

  /** Called with the digest of each adapter that is dropped for want of room. */
  onDrop(listener: (digest: string) => void): void {
    this.#listeners.add(listener);
  }

  offDrop(listener: (digest: string) => void): void {
    this.#listeners.delete(listener);
  }

  has(digest: string): boolean {
    return this.#pinned.has(digest) || this.#kept.has(digest) || this.#entries.has(digest);
  }

  get(digest: string): FoldedAdapter | undefined {
    return this.#pinned.get(digest) ?? this.#kept.get(digest) ?? this.#entries.get(digest);
  }

  /** What an adapter takes that is here, of the room for what is kept: nothing where it is pinned. */
  bytesOf(digest: string): number | undefined {
    if (this.#pinned.has(digest)) return 0;
    return (this.#kept.get(digest) ?? this.#entries.peek(digest))?.bytes;
  }

  isPinned(digest: string): boolean {
    return this.#pins.has(digest);
  }

  /** An adapter that has been read. Without room, and if nobody keeps it, it is dropped again. */
  put(adapter: FoldedAdapter): void {
    const { digest } = adapter;
    if (this.has(digest)) return;
    if (!this.#pinIfWanted(adapter)) this.#shelve(adapter);
    this.#trim();
  }

  /**
   * Keeps these, of so many bytes, once they are here; and no longer what the keeper kept before. What nobody keeps is an
   * ordinary entry, which has just been used.
   */
  keep(keeper: object, digests: ReadonlySet<string>, bytes: number): void {
    const before = this.#wanted.get(keeper)?.digests ?? [];
    if (digests.size === 0) this.#wanted.delete(keeper);
    else this.#wanted.set(keeper, { digests, bytes });
    for (const digest of before) this.#moveIfHere(digest);
    for (const digest of digests) this.#moveIfHere(digest);
    this.#trim();
  }

  /** From now on, or from when it is loaded, it stays. Counted: it takes as many calls of `unpin` to let it go. */
  pin(digest: string): void {
    const times = this.#pins.get(digest) ?? 0;
    this.#pins.set(digest, times + 1);
    this.#pinIfHere(digest);
  }

  unpin(digest: string): void {
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
    this.#shelve(adapter);
    // Pinned ones that had no room may have it now.
    for (const other of this.#pins.keys()) this.#pinIfHere(other);
    this.#trim();
  }

  #isWanted(digest: string): boolean {
    for (const { digests } of this.#wanted.values()) if (digests.has(digest)) return true;
    return false;
  }

  /** Among those that are kept or the ordinary ones. */
  #shelve(adapter: FoldedAdapter): void {
    if (!this.#isWanted(adapter.digest)) {
      this.#entries.set(adapter.digest, adapter);
      return;
    }
    this.#kept.set(adapter.digest, adapter);
    this.#keptBytes += adapter.bytes;
  }

  /** To where it belongs now. */
  #moveIfHere(digest: string): void {
    if (this.#kept.has(digest) === this.#isWanted(digest)) return;
    const adapter = this.#takeUnpinned(digest);
    if (adapter !== undefined) this.#shelve(adapter);
  }

  #pinIfHere(digest: string): void {
    const adapter = this.#kept.get(digest) ?? this.#entries.peek(digest);
    if (adapter === undefined || !this.#pinIfWanted(adapter)) return;
    this.#takeUnpinned(digest);
  }

  /** Puts it among the pinned ones, if it is one and fits. */
  #pinIfWanted(adapter: FoldedAdapter): boolean {
    if (!this.#pins.has(adapter.digest) || this.#pinnedBytes + adapter.bytes > this.limitBytes) return false;
    this.#pinned.set(adapter.digest, adapter);
    this.#pinnedBytes += adapter.bytes;
    return true;
  }

  #takeUnpinned(digest: string): FoldedAdapter | undefined {
    const kept = this.#kept.get(digest);
    if (kept !== undefined) {
      this.#kept.delete(digest);
      this.#keptBytes -= kept.bytes;
      return kept;
    }
    const entry = this.#entries.peek(digest);
    this.#entries.delete(digest);
    return entry;
  }

  #trim(): void {
    while (this.bytes > this.limitBytes && this.#entries.size > 0) {
      const dropped = this.#entries.pop();
      if (dropped === undefined) return;
      this.#evictions++;
      for (const listener of this.#listeners) listener(dropped.digest);
    }
  }
}
