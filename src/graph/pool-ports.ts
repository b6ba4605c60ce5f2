/**
 * Inputs and outputs of a decoder graph whose KV cache is a pool that is written where it lies (`cache: 'pool'`). They
 * take the place of `attention_bias`, `past_*` and `new_*`; the others are those of `ports.ts`, with the same letters.
 *
 * The pool holds blocks of `BLOCK_POSITIONS` positions; a row has a list of them. P is the pool's height: one line for
 * each position of each KV head of each block, so head `h` of position `p` lies in line
 * (block · kv + h) · BLOCK_POSITIONS + p mod BLOCK_POSITIONS, where `block` is the row's for position p. S positions are
 * read in this run, a whole number of blocks. "float" is float32 or float16: `floatType` of `graph-options.ts`.
 *
 * | input | type | shape |
 * | --- | --- | --- |
 * | query_shape, key_shape | int64 | [4]: B, T, heads or kv heads, hd |
 * | rotary_cos, rotary_sin | float32 | [positions, hd/2] |
 * | kv_lines | int64 | [B·kv·T, 1], where the new K and V go, in the order [B, kv, T] |
 * | kv_blocks | int64 | [B, kv, S/BLOCK_POSITIONS], which of all (block · kv + h) a head reads |
 * | kv_positions | float32 | [S]: 0, 1, 2, … |
 * | last_visible | float32 | [B, 1, T, 1], the last position that each token sees: its own |
 * | pool_k.{layer}, pool_v.{layer} | float | [P, hd], K rotated |
 *
 * | output | type | shape |
 * | --- | --- | --- |
 * | written_k.{layer}, written_v.{layer} | float | [P, hd]: fetch them as the very tensors that are fed as the pool |
 * | token_check | float32 | [N], NaN where the numbers of a token overflowed, else 0 |
 *
 * Two tokens may write the same line only if they write the same numbers: a row is padded with copies of its last token.
 */
export const BLOCK_POSITIONS = 64;

export const QUERY_SHAPE = 'query_shape';
export const KEY_SHAPE = 'key_shape';
export const ROTARY_COS = 'rotary_cos';
export const ROTARY_SIN = 'rotary_sin';
export const KV_LINES = 'kv_lines';
export const KV_BLOCKS = 'kv_blocks';
export const KV_POSITIONS = 'kv_positions';
export const LAST_VISIBLE = 'last_visible';
export const TOKEN_CHECK = 'token_check';

export const poolK = (layer: number): string => `pool_k.${layer}`;
export const poolV = (layer: number): string => `pool_v.${layer}`;
export const writtenK = (layer: number): string => `written_k.${layer}`;
export const writtenV = (layer: number): string => `written_v.${layer}`;
