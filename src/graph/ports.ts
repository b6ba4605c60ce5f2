/**
 * The inputs and outputs of a decoder graph: the contract between the graph builder and the runner.
 *
 * Letters: B rows of the batch, T new tokens a row (right-padded), N = B·T tokens in all, S capacity of the KV cache
 * in this run (positions beyond a row's length are masked), K positions whose logits are wanted, R rank rows that are
 * fed for a projection (0 switches the port off), L layers, KV heads `kv`, head width `hd`, `g` = heads / kv heads.
 *
 * | input | type | shape |
 * | --- | --- | --- |
 * | input_ids | int64 | [B, T] |
 * | position_ids | int64 | [B, T] |
 * | attention_bias | float32 | [B, 1, Q, S + T], added to the scores; Q = 1 when T = 1, else g·T (g copies of T rows) |
 * | logit_positions | int64 | [K], indices into the N = B·T flattened tokens |
 * | past_k.{layer} | float32 | [B, kv, hd, S], rotated, transposed |
 * | past_v.{layer} | float32 | [B, kv, S, hd] |
 * | lora_mask.{projection} | float32 | [N, R], the weight of each rank row for each token; [K, R] for lm_head |
 * | lora_a.{module} | float32 | [R, in] |
 * | lora_b.{module} | float32 | [R, out], scale folded in |
 *
 * | output | type | shape |
 * | --- | --- | --- |
 * | logits | float32 | [K, vocab] |
 * | new_k | float32 | [B, L·kv, T, hd], rotated, not transposed |
 * | new_v | float32 | [B, L·kv, T, hd] |
 *
 * A module computes y = W x + (((x Aᵀ) ⊙ mask) B), so that rows of one batch take different paths. R is the same for
 * all modules of one projection. Positions that must not be seen carry MASKED in `attention_bias`: finite, so that a
 * padded row has no NaN.
 */
import type { Projection } from '../formats/checkpoint/modules.js';

export const INPUT_IDS = 'input_ids';
export const POSITION_IDS = 'position_ids';
export const ATTENTION_BIAS = 'attention_bias';
export const LOGIT_POSITIONS = 'logit_positions';
export const LOGITS = 'logits';
export const NEW_K = 'new_k';
export const NEW_V = 'new_v';

export const pastK = (layer: number): string => `past_k.${layer}`;
export const pastV = (layer: number): string => `past_v.${layer}`;
export const loraMask = (projection: Projection): string => `lora_mask.${projection}`;
export const loraA = (module: string): string => `lora_a.${module}`;
export const loraB = (module: string): string => `lora_b.${module}`;

/** Added to the score of a position that a token must not see. */
export const MASKED = -1e30;
