/** What the scheduler sees of the KV cache: places and bytes, no tensors. */
export interface KvBudget {
  /** Bytes promised to rows, of all models that share the budget. */
  readonly usedBytes: number;
  readonly budgetBytes: number;
  /** Longest sequence that the model serves. */
  readonly maxPositions: number;
  /** Whether a row of so many positions could ever fit, alone. */
  canEverFit(positions: number): boolean;
  /** Takes a place for a row of so many positions. False: out of budget now. */
  open(row: string, positions: number): boolean;
  /** Capacity for so many positions in all, keeping what is cached. False: out of budget now, and nothing changed. */
  grow(row: string, positions: number): boolean;
  /** Gives the row's place back. A row that has none is fine. */
  close(row: string): void;
  /** Positions that the row's place holds. Rows of one capacity run together. */
  capacity(row: string): number;
}
