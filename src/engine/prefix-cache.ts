/**
 * K and V that rows left behind, for rows that begin with the same tokens: a second turn of a chat, a prompt sent again,
 * a preamble that many prompts share. One for all models of an engine.
 *
 * A tree of blocks for each scope, as in vLLM's prefix caching and SGLang's radix attention: a block stands for `BLOCK`
 * tokens after those of the blocks above it, only the last of a row is shorter. So what prompts share is kept once. A row
 * takes a copy, up to the first token that differs, in the middle of a block too: no row depends on what is kept, and
 * nothing here is in use. A block is referred to by those below it, and dropped after them: the least recently used first.
 *
 * Its bytes are slack of the KV budget. Rows never wait for them.
 */
import type { ByteBudget, SlackHolder } from './byte-budget.js';
import type { NewRows } from './kv-bucket.js';
import type { KvContents } from './kv-budget.js';

/** Positions of a block. */
const BLOCK = 32;

interface Block {
  above: Block | Root;
  below: Map<string, Block>;
  tokens: readonly number[];
  /** Of one row: [1, L·kv, T, hd]. */
  rows: NewRows;
  bytes: number;
}

interface Root {
  above: null;
  below: Map<string, Block>;
  owner: object;
  scope: string;
}

/** The first `count` positions of what a block holds. */
export interface KeptPositions {
  rows: NewRows;
  count: number;
}

/** A row whose K and V can be read. */
export interface PositionSource {
  bytesPerPosition: number;
  /** Of one row: [1, L·kv, count, hd]. */
  read(start: number, count: number): NewRows;
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
  readonly #roots = new Map<object, Map<string, Root>>();
  /** All blocks, least recently used first. A block comes after those below it. */
  readonly #byUse = new Set<Block>();
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

  /** What is kept of the tokens' beginning, `most` positions at the most. An owner's K and V are of use to it alone. */
  find(owner: object, { scope, tokens }: KvContents, most: number): KeptPositions[] {
    const found: KeptPositions[] = [];
    const path: Block[] = [];
    let above: Block | Root | undefined = this.#roots.get(owner)?.get(scope);
    for (let at = 0; above !== undefined && at < most; at += BLOCK) {
      const wanted = tokens.slice(at, Math.min(at + BLOCK, most));
      const nearest: Block | undefined = above.below.get(keyOf(wanted)) ?? likest(above.below.values(), wanted);
      if (nearest === undefined) break;
      const count = common(nearest.tokens, wanted);
      found.push({ rows: nearest.rows, count });
      path.push(nearest);
      above = count === BLOCK ? nearest : undefined;
    }
    this.#use(path);
    if (found.length > 0) this.#counts.hits++;
    for (const { count } of found) this.#counts.tokens += count;
    return found;
  }

  /** Keeps what of the contents isn't kept yet, as far as there is room. */
  keep(owner: object, { scope, tokens }: KvContents, source: PositionSource): void {
    const path: Block[] = [];
    let above: Block | Root = this.#roots.get(owner)?.get(scope) ?? { above: null, below: new Map(), owner, scope };
    for (let at = 0; at < tokens.length; at += BLOCK) {
      const wanted = tokens.slice(at, at + BLOCK);
      const known: Block | undefined = above.below.get(keyOf(wanted)) ?? likest(above.below.values(), wanted);
      const alike: number = known === undefined ? 0 : common(known.tokens, wanted);
      let block: Block | undefined = alike === wanted.length ? known : undefined;
      if (block === undefined) {
        if (!this.#makeRoom(wanted.length * source.bytesPerPosition, path)) break;
        block = this.#add(above, wanted, source.read(at, wanted.length));
        // A row's last block that this one goes on from.
        if (known !== undefined && alike === known.tokens.length) this.#drop(known);
      }
      path.push(block);
      // So that room is made from others first.
      this.#byUse.delete(block);
      this.#byUse.add(block);
      above = block;
    }
    this.#use(path);
  }

  /** Drops what was kept for an owner that is gone. */
  forget(owner: object): void {
    for (const block of this.#byUse) if (rootOf(block).owner === owner) this.#drop(block);
  }

  /** Gives back as much as the budget is short of. */
  trim(): void {
    while (this.#budget.excessBytes > 0 && this.#dropOldest([])) continue;
  }

  /** False: there is too little, even without what isn't on the path to it. */
  #makeRoom(bytes: number, path: readonly Block[]): boolean {
    while (this.#counts.bytes + bytes > this.limitBytes || !this.#budget.hasSlackFor(bytes)) {
      if (!this.#dropOldest(path)) return false;
    }
    return true;
  }

  #add(above: Block | Root, tokens: readonly number[], rows: NewRows): Block {
    const bytes = rows.k.byteLength + rows.v.byteLength;
    const block: Block = { above, below: new Map(), tokens, rows, bytes };
    above.below.set(keyOf(tokens), block);
    if (above.above === null) this.#plant(above);
    this.#byUse.add(block);
    this.#account(bytes);
    return block;
  }

  /** False where only `spared` is left. */
  #dropOldest(spared: readonly Block[]): boolean {
    const [oldest] = this.#byUse;
    if (oldest === undefined || spared.includes(oldest)) return false;
    this.#drop(oldest);
    return true;
  }

  #drop(block: Block): void {
    if (!this.#byUse.delete(block)) return;
    this.#account(-block.bytes);
    const { above } = block;
    above.below.delete(keyOf(block.tokens));
    if (above.above !== null || above.below.size > 0) return;
    const scopes = this.#roots.get(above.owner);
    scopes?.delete(above.scope);
    if (scopes?.size === 0) this.#roots.delete(above.owner);
  }

  /** Blocks from the top down: the lowest is the first to go. */
  #use(path: readonly Block[]): void {
    for (const block of path.toReversed()) {
      this.#byUse.delete(block);
      this.#byUse.add(block);
    }
  }

  #account(bytes: number): void {
    this.#counts.bytes += bytes;
    this.#budget.recordAllocated(bytes);
  }

  #plant(root: Root): void {
    const scopes = this.#roots.get(root.owner) ?? new Map<string, Root>();
    this.#roots.set(root.owner, scopes.set(root.scope, root));
  }
}

const keyOf = (tokens: readonly number[]): string => tokens.join();

/** The block that begins most like `wanted`; none where all begin with another token. */
function likest(blocks: Iterable<Block>, wanted: readonly number[]): Block | undefined {
  let best: Block | undefined;
  let most = 0;
  for (const block of blocks) {
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

function rootOf(block: Block): Root {
  let at: Block | Root = block;
  while (at.above !== null) at = at.above;
  return at;
}
