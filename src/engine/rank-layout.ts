/**
 * Which rank rows of a projection belong to which adapter. Pure bookkeeping: the rows themselves are in `rank-rows.ts`.
 *
 * An adapter has one contiguous span. Those in use lie at the front, first fit; one that isn't in use any more (cold)
 * keeps its rows until they are needed. A run is fed the window from the first to the last row that it needs, so gaps
 * between spans in use are waste: compaction slides the spans down in order, over cold ones and holes.
 */
export interface Span {
  digest: string;
  offset: number;
  rank: number;
  inUse: boolean;
}

export interface Move {
  from: number;
  to: number;
  rank: number;
}

export class RankLayout {
  readonly #spans = new Map<string, Span>();

  span(digest: string): Readonly<Span> | undefined {
    return this.#spans.get(digest);
  }

  get spans(): IterableIterator<Readonly<Span>> {
    return this.#spans.values();
  }

  /** First row behind the spans in use. */
  get usedEnd(): number {
    let end = 0;
    for (const span of this.#spans.values()) if (span.inUse) end = Math.max(end, span.offset + span.rank);
    return end;
  }

  get usedRanks(): number {
    let ranks = 0;
    for (const span of this.#spans.values()) if (span.inUse) ranks += span.rank;
    return ranks;
  }

  setInUse(digest: string, inUse: boolean): void {
    const span = this.#spans.get(digest);
    if (span !== undefined) span.inUse = inUse;
  }

  remove(digest: string): void {
    this.#spans.delete(digest);
  }

  /** Where so many rows fit in front of or between the spans in use, else behind them. */
  firstFit(rank: number): number {
    let offset = 0;
    for (const span of this.#inUse()) {
      if (span.offset - offset >= rank) break;
      offset = span.offset + span.rank;
    }
    return offset;
  }

  /** The cold adapters that a span of so many rows at `offset` would overwrite. */
  coldIn(offset: number, rank: number): string[] {
    return [...this.#spans.values()]
      .filter((span) => !span.inUse && span.offset < offset + rank && span.offset + span.rank > offset)
      .map(({ digest }) => digest);
  }

  /** Enters an adapter in use. Cold spans in its way must be gone. */
  place(digest: string, offset: number, rank: number): void {
    this.#spans.set(digest, { digest, offset, rank, inUse: true });
  }

  /** Slides the spans in use together. The moves are to be made in order; each goes down, and may overlap itself. */
  compact(): Move[] {
    const moves: Move[] = [];
    let end = 0;
    for (const span of this.#inUse()) {
      if (span.offset !== end) moves.push({ from: span.offset, to: end, rank: span.rank });
      span.offset = end;
      end += span.rank;
    }
    return moves;
  }

  #inUse(): Span[] {
    return [...this.#spans.values()].filter(({ inUse }) => inUse).sort((one, other) => one.offset - other.offset);
  }
}
