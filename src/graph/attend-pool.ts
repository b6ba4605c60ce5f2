/**
 * Attention over a KV cache that is a pool in the device's memory (`pool-ports.ts`), from plain operators.
 *
 * The new K and V are scattered into the pool, in place because the output is fetched as the tensor that was fed; then
 * each row's blocks are gathered and read as one sequence, new tokens included. What a token must not see is replaced,
 * not added to: whatever another row left behind in a block, overflow included, has no say.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { DataType } from '../formats/onnx/model.js';
import type { Projected } from './attend.js';
import type { Decoder } from './decoder.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import { Gather, LessOrEqual, MatMul, Reshape, ScatterND, Softmax, Transpose, Where } from './ops.js';
import {
  BLOCK_POSITIONS,
  KV_BLOCKS,
  KV_LINES,
  KV_POSITIONS,
  LAST_VISIBLE,
  poolK,
  poolV,
  writtenK,
  writtenV,
} from './pool-ports.js';
import { MASKED } from './ports.js';

/** What all layers share. */
export interface PoolPorts {
  /** [B·kv·T, 1] */
  lines: Value;
  /** [B, kv, S/block] */
  blocks: Value;
  /** [B, 1, T, S], true where a token sees a position. */
  seen: Value;
}

export function poolPorts(g: GraphBuilder, { kvHeads }: Pick<ModelConfig, 'kvHeads'>): PoolPorts {
  const lines = g.input(KV_LINES, DataType.int64, ['B·kv·T', 1]);
  const blocks = g.input(KV_BLOCKS, DataType.int64, ['B', kvHeads, 'blocks']);
  const positions = g.input(KV_POSITIONS, DataType.float32, ['S']);
  const visible = g.input(LAST_VISIBLE, DataType.float32, ['B', 1, 'T', 1]);
  return { lines, blocks, seen: LessOrEqual(g, positions, visible) };
}

/** → [N, heads·hd] */
export function attendPool(d: Decoder, layer: number, { q, k, v }: Projected): Value {
  const g = d.graph;
  const { heads, kvHeads, headDim } = d.config;
  const keys = throughPool(d, d.rotary.key(k), { pool: poolK(layer), written: writtenK(layer) });
  const values = throughPool(d, v, { pool: poolV(layer), written: writtenV(layer) });
  // The g heads of a group are stacked along T, so that they share one product. K comes first in it, for then the small
  // side is what is transposed.
  const grouped = Reshape(g, d.rotary.query(q), g.int64s(0, kvHeads, -1, headDim));
  const scores = Transpose(g, MatMul(g, keys, Transpose(g, grouped, [0, 1, 3, 2])), [0, 1, 3, 2]);
  const perHead = Reshape(g, scores, g.int64s(0, heads, -1, 0));
  const weights = Softmax(g, Where(g, d.pool.seen, perHead, g.float32(MASKED)));
  const sum = MatMul(g, Reshape(g, weights, g.int64s(0, kvHeads, -1, 0)), values);
  const perToken = Transpose(g, Reshape(g, sum, g.int64s(0, heads, -1, headDim)), [0, 2, 1, 3]);
  return Reshape(g, perToken, g.int64s(-1, heads * headDim));
}

/** Writes x: [B, kv, T, hd] into the pool, and reads all that the rows have there: [B, kv, S, hd] */
function throughPool(d: Decoder, x: Value, { pool, written }: { pool: string; written: string }): Value {
  const g = d.graph;
  const { kvHeads, headDim } = d.config;
  const { type } = d.narrow;
  const before = g.input(pool, type, ['P', headDim]);
  const after = ScatterND(g, before, d.pool.lines, d.narrow.down(Reshape(g, x, g.int64s(-1, headDim))));
  g.output(written, after, type, ['P', headDim]);
  const byBlock = Reshape(g, after, g.int64s(-1, BLOCK_POSITIONS * headDim));
  return d.narrow.up(Reshape(g, Gather(g, byBlock, d.pool.blocks), g.int64s(0, kvHeads, -1, headDim)));
}
