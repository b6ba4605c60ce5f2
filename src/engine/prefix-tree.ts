/**
 * K and V that rows of one model left behind, for rows that begin with the same tokens: a second turn of a chat, a prompt
 * sent again, a preamble that many prompts share.
 *
 * A tree of blocks for each scope, as in vLLM's prefix caching and SGLang's radix attention: a block stands for as many
 * tokens as the store's blocks have positions, after those of the blocks above it; only the last of a row is shorter. So
 * what prompts share is kept once. A row finds what it has in common, up to the first token that differs, in the middle of
 * a block too. A block goes after those below it. How K and V are kept is the store's matter.
 */
import type { CachedBlock, PrefixCache } from './prefix-cache.js';
import type { KvContents } from './kv-budget.js';

/** Where kept K and V lie. */
export interface PrefixStore<Kept> {
  /** Positions of a block. */
  readonly blockPositions: number;
  /** Whether a block takes memory beside the places of rows. */
  readonly beside: boolean;
  bytesFor(positions: number): number;
  /** It is no longer kept. */
  drop(kept: Kept): void;
}

/** The first `count` positions of what a block holds. */
export interface Found<Kept> {
  block: PrefixBlock<Kept>;
  count: number;
}

interface Root<Kept> {
  above: null;
  below: Map<string, PrefixBlock<Kept>>;
  scope: string;
}

type Parent<Kept> = PrefixBlock<Kept> | Root<Kept>;

export class PrefixBlock<Kept> implements CachedBlock {
  readonly tree: PrefixTree<Kept>;
  readonly above: Parent<Kept>;
  readonly below = new Map<string, PrefixBlock<Kept>>();
  readonly tokens: readonly number[];
  readonly kept: Kept;
  readonly bytes: number;
  readonly beside: boolean;

  constructor(tree: PrefixTree<Kept>, above: Parent<Kept>, tokens: readonly number[], kept: Kept) {
    this.tree = tree;
    this.above = above;
    this.tokens = tokens;
    this.kept = kept;
    this.bytes = tree.store.bytesFor(tokens.length);
    this.beside = tree.store.beside;
  }

  drop(): void {
    this.tree.drop(this);
  }
}

export class PrefixTree<Kept> {
  readonly store: PrefixStore<Kept>;
  readonly #cache: PrefixCache;
  readonly #roots = new Map<string, Root<Kept>>();

  constructor(cache: PrefixCache, store: PrefixStore<Kept>) {
    this.#cache = cache;
    this.store = store;
  }

  /** What is kept of the tokens' beginning, `most` positions at the most. Who takes it says so with `take`. */
  find({ scope, tokens }: KvContents, most: number): Found<Kept>[] {
    const { blockPositions } = this.store;
    const found: Found<Kept>[] = [];
    let above: Parent<Kept> | undefined = this.#roots.get(scope);
    for (let at = 0; above !== undefined && at < most; at += blockPositions) {
      const wanted = tokens.slice(at, Math.min(at + blockPositions, most));
      const block: PrefixBlock<Kept> | undefined = nearest(above, wanted);
      if (block === undefined) break;
      const count = common(block.tokens, wanted);
      found.push({ block, count });
      above = count === blockPositions ? block : undefined;
    }
    return found;
  }

  take(found: readonly Found<Kept>[]): void {
    if (found.length === 0) return;
    this.#cache.use(found.map(({ block }) => block));
    this.#cache.hit(found.reduce((sum, { count }) => sum + count, 0));
  }

  /** Keeps what of the contents isn't kept yet, as far as there is room; `read` hands over the K and V of a block. */
  keep({ scope, tokens }: KvContents, read: (start: number, count: number) => Kept): void {
    const { blockPositions, beside } = this.store;
    const path: PrefixBlock<Kept>[] = [];
    let above: Parent<Kept> = this.#roots.get(scope) ?? { above: null, below: new Map(), scope };
    for (let at = 0; at < tokens.length; at += blockPositions) {
      const wanted = tokens.slice(at, at + blockPositions);
      const known: PrefixBlock<Kept> | undefined = nearest(above, wanted);
      const alike: number = known === undefined ? 0 : common(known.tokens, wanted);
      let block: PrefixBlock<Kept> | undefined = alike === wanted.length ? known : undefined;
      if (block === undefined) {
        if (!this.#cache.makeRoom({ bytes: this.store.bytesFor(wanted.length), beside }, path)) break;
        block = this.#add(above, wanted, read(at, wanted.length));
        // A row's last block that this one goes on from.
        if (known !== undefined && alike === known.tokens.length) this.drop(known);
      }
      path.push(block);
      // So that room is made from others first.
      this.#cache.use([block]);
      above = block;
    }
    this.#cache.use(path);
  }

  /** Drops the least recently used block of those that may go. False: there is none. */
  dropOldest(mayGo: (kept: Kept) => boolean): boolean {
    return this.#cache.dropOldest(
      (block) => block instanceof PrefixBlock && block.tree === this && mayGo((block as PrefixBlock<Kept>).kept),
    );
  }

  /** Drops all that is kept. */
  forget(): void {
    for (const { below } of [...this.#roots.values()]) for (const block of [...below.values()]) this.drop(block);
  }

  drop(block: PrefixBlock<Kept>): void {
    for (const lower of [...block.below.values()]) this.drop(lower);
    if (!this.#cache.remove(block)) return;
    this.store.drop(block.kept);
    const { above } = block;
    above.below.delete(keyOf(block.tokens));
    if (above.above === null && above.below.size === 0) this.#roots.delete(above.scope);
  }

  #add(above: Parent<Kept>, tokens: readonly number[], kept: Kept): PrefixBlock<Kept> {
    const block = new PrefixBlock(this, above, tokens, kept);
    above.below.set(keyOf(tokens), block);
    if (above.above === null) this.#roots.set(above.scope, above);
    this.#cache.add(block);
    return block;
  }
}

const keyOf = (tokens: readonly number[]): string => tokens.join();

/** The block that is `wanted`, or else begins most like it; none where all begin with another token. */
function nearest<Kept>({ below }: Parent<Kept>, wanted: readonly number[]): PrefixBlock<Kept> | undefined {
  let best = below.get(keyOf(wanted));
  if (best !== undefined) return best;
  let most = 0;
  for (const block of below.values()) {
    const count = common(block.tokens, wanted);
    if (count > most) [best, most] = [block, count];
  }
  return best;
}

/** How many tokens both begin with. */
function common(one: readonly number[], other: readonly number[]): number {
  const shorter = Math.min(one.length, other.length);
  for (let i = 0; i < shorter; i++) if (one[i] !== other[i]) return i;
  return shorter;
}
