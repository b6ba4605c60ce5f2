/**
 * The inputs and outputs of a decoder graph: the contract between the graph builder and the runner.
 *
 * Letters: B rows of the batch, T new tokens a row (right-padded), N = B·T tokens in all, S capacity of the KV cache
 * in this run (positions beyond a row's length are masked), K positions whose logits are wanted, R rank rows that are
 * fed for a projection and P those of a slot (0 switches the port off), L layers, KV heads `kv`, head width `hd`, `g` = heads / kv heads.
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
 * | lora_a.{module} | float32 or float16 (`floatType`) | [R, in] |
 * | lora_b.{module} | the same | [R, out], scale folded in |
 * | slot_a.{layer}.{group} | float32 | [slots, P, in], the group's projections one below the other |
 * | slot_b.{module} | float32 | [slots, P, out] with the P of its projection, scale and weight folded in |
 * | slot_ranks.{group} | int64 | [projections of the group], the P of each; of groups of several |
 *
 * | output | type | shape |
 * | --- | --- | --- |
 * | logits | float32 | [K, vocab] |
 * | logit_maxima | float32 | [K, blocks], the largest logit of each block of tokens: `logit-blocks.ts` |
 * | logit_sums | float32 | [K], of all logits of a position: not finite where one of them isn't |
 * | new_k | float32 | [B, L·kv, T, hd], rotated, not transposed |
 * | new_v | float32 | [B, L·kv, T, hd] |
 *
 * Every linear has two LoRA ports, so that rows of one batch take different paths. The *shared* port (`lora_*`) holds
 * nodes that any row may use, a mask says which does: ((x Aᵀ) ⊙ mask) B, with R the same for all modules of one
 * projection. The *private* port (`slot_*`) holds what row b alone uses at b: (x_b A_bᵀ) B_b, for x as [slots, N / slots,
 * in] with a slot for each row; its P, the rank rows of a slot, is the same for all rows and for all modules of one projection, and rows with less are zero
 * in the rest. `port-groups.ts` has the groups; `lm_head` has a shared port only. The y of a linear is W x, and both.
 * With `lora: 'shared'` a graph has no private ports, with 'path' no masks either, so that every token has every rank row
 * that is fed, and with 'none' no ports at all. With `oneToken` T is 1.
 *
 * With `beside` a run may have a second part, of other rows with another T and S, so that one reading of the weights serves
 * both: prompts beside rows that decode, or rows of two capacities. `is_beside` (bool, [1]) says whether it is there; its
 * ids, positions, bias, past and slots are inputs named `beside.…`, without a row where it isn't, and `beside.new_k` and
 * `beside.new_v` come out. The N tokens are those of the first part and then those of the second. Slots divide the
 * tokens of their part evenly.
 *
 * Positions that must not be seen carry MASKED in `attention_bias`: finite, so that a
 * padded row has no NaN.
 */
import type { Projection } from '../formats/checkpoint/modules.js';
import type { PortGroup } from './port-groups.js';

export const INPUT_IDS = 'input_ids';
export const POSITION_IDS = 'position_ids';
export const ATTENTION_BIAS = 'attention_bias';
export const LOGIT_POSITIONS = 'logit_positions';
export const LOGITS = 'logits';
export const LOGIT_MAXIMA = 'logit_maxima';
export const LOGIT_SUMS = 'logit_sums';
export const NEW_K = 'new_k';
export const NEW_V = 'new_v';

/** boolean, [1] */
export const IS_BESIDE = 'is_beside';
/** The same input or output of the second part. */
export const beside = (name: string): string => `beside.${name}`;

export const pastK = (layer: number): string => `past_k.${layer}`;
export const pastV = (layer: number): string => `past_v.${layer}`;
export const loraMask = (projection: Projection): string => `lora_mask.${projection}`;
export const loraA = (module: string): string => `lora_a.${module}`;
export const loraB = (module: string): string => `lora_b.${module}`;
export const slotA = (layer: number, group: PortGroup): string => `slot_a.${layer}.${group}`;
export const slotB = (module: string): string => `slot_b.${module}`;
export const slotRanks = (group: PortGroup): string => `slot_ranks.${group}`;

/** Added to the score of a position that a token must not see. */
export const MASKED = -1e30;
