/**
 * How much is kept of what rows left behind, and what of it goes first: the least recently used block of all the models of
 * an engine. `prefix-tree.ts` knows which tokens a block stands for.
 *
 * Where blocks take memory beside the rows' places, that is slack of the KV budget: rows never wait for it.
 */
import type { ByteBudget, SlackHolder } from './byte-budget.js';

/** As the cache sees it. */
export interface CachedBlock {
  readonly bytes: number;
  /** Whether those are bytes beside the places of rows. */
  readonly beside: boolean;
  /** Takes the block out of its tree, with those below it. */
  drop(): void;
}

export interface PrefixCounts {
  bytes: number;
  /** Rows that found something, and the positions that they didn't have to compute. */
  hits: number;
  tokens: number;
}

export class PrefixCache implements SlackHolder {
  readonly limitBytes: number;
  readonly #budget: ByteBudget;
  /** All blocks, least recently used first. A block comes after those below it. */
  readonly #byUse = new Set<CachedBlock>();
  readonly #counts: PrefixCounts = { bytes: 0, hits: 0, tokens: 0 };

  /** `budget` is that of the rows' KV, `limitBytes` what of it may be filled so. */
  constructor(limitBytes: number, budget: ByteBudget) {
    this.limitBytes = limitBytes;
    this.#budget = budget;
    budget.register(this);
  }

  get counts(): Readonly<PrefixCounts> {
    return this.#counts;
  }

  /** A row found so many positions. */
  hit(positions: number): void {
    this.#counts.hits++;
    this.#counts.tokens += positions;
  }

  add(block: CachedBlock): void {
    this.#byUse.add(block);
    this.#account(block, 1);
  }

  /** False: it was gone already. */
  remove(block: CachedBlock): boolean {
    if (!this.#byUse.delete(block)) return false;
    this.#account(block, -1);
    return true;
  }

  /** Blocks from the top down: the lowest is the first to go. */
  use(path: readonly CachedBlock[]): void {
    for (const block of path.toReversed()) {
      if (!this.#byUse.delete(block)) continue;
      this.#byUse.add(block);
    }
  }

  /** False: there is too little for a block like this one, even without what isn't on the path to it. */
  makeRoom({ bytes, beside }: Omit<CachedBlock, 'drop'>, path: readonly CachedBlock[]): boolean {
    while (this.#counts.bytes + bytes > this.limitBytes || (beside && !this.#budget.hasSlackFor(bytes))) {
      const [oldest] = this.#byUse;
      if (oldest === undefined || path.includes(oldest)) return false;
      oldest.drop();
    }
    return true;
  }

  /** Drops the least recently used one of those. False: there is none. */
  dropOldest(isOneOf: (block: CachedBlock) => boolean): boolean {
    for (const block of this.#byUse) {
      if (!isOneOf(block)) continue;
      block.drop();
      return true;
    }
    return false;
  }

  /** Gives back as much as the budget is short of. */
  trim(): void {
    for (const block of this.#byUse) {
      if (this.#budget.excessBytes === 0) return;
      if (block.beside) block.drop();
    }
  }

  #account({ bytes, beside }: CachedBlock, sign: 1 | -1): void {
    this.#counts.bytes += sign * bytes;
    if (beside) this.#budget.recordAllocated(sign * bytes);
  }
}
