/** What a row's positions hold, and who may reuse them. */
export interface KvContents {
  /** The same K and V belong to the same tokens: path, and whose requests share it. */
  scope: string;
  /** From position 0 on; may be more than are computed. */
  tokens: readonly number[];
}

/** What the scheduler sees of the KV cache: places and bytes, no tensors. */
export interface KvBudget {
  /** Bytes promised to rows, of all models that share the budget. */
  readonly usedBytes: number;
  readonly budgetBytes: number;
  /** Longest sequence that the model serves. */
  readonly maxPositions: number;
  /** Whether a row of so many positions could ever fit, alone. */
  canEverFit(positions: number): boolean;
  /**
   * Takes a place for a row of so many positions. False: out of budget now. What other rows left of its contents' first
   * `most` positions may be put into the place: `reused` says how many those are.
   */
  open(row: string, positions: number, reuse?: KvContents & { most: number }): boolean;
  /** How many of its first positions a row found there when it was opened. A cache that keeps nothing lacks this. */
  reused?(row: string): number;
  /** Capacity for so many positions in all, keeping what is cached. False: out of budget now, and nothing changed. */
  grow(row: string, positions: number): boolean;
  /** Gives the row's place back; what was computed of its contents may be kept. A row that has none is fine. */
  close(row: string, contents?: KvContents): void;
  /** Positions that the row's place holds. Rows of one capacity run together. */
  capacity(row: string): number;
}
