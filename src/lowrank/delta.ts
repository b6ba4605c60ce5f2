/**
 * A low-rank delta of one linear layer: ΔW = scale · B · A (LoRA, https://arxiv.org/abs/2106.09685).
 *
 * Everything in this folder is pure algebra on plain arrays, row-major, float32.
 */

export interface LowRankDelta {
  rank: number;
  inFeatures: number;
  outFeatures: number;
  /** A, [rank, in]. */
  a: Float32Array;
  /** B, [out, rank], as PEFT stores it. */
  b: Float32Array;
  /** s: α/r, or α/√r with rsLoRA. */
  scale: number;
}

/** A delta laid out as rows of rank, which is how the bank stores and feeds it; the scale is folded into `b`. */
export interface FoldedDelta {
  rank: number;
  inFeatures: number;
  outFeatures: number;
  /** A, [rank, in]. */
  a: Float32Array;
  /** s · Bᵀ, [rank, out]. */
  b: Float32Array;
}
