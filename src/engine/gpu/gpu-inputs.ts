/**
 * What a run on the GPU is fed from the CPU: token ids, places in the cache, and rank masks. All of it is small; weights,
 * rank rows and the cache are there already. Shapes: `pool-ports.ts` and `ports.ts`.
 */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { PROJECTIONS } from '../../formats/checkpoint/modules.js';
import {
  BLOCK_POSITIONS,
  KEY_SHAPE,
  KV_BLOCKS,
  KV_LINES,
  KV_POSITIONS,
  LAST_VISIBLE,
  QUERY_SHAPE,
} from '../../graph/pool-ports.js';
import { INPUT_IDS, LOGIT_POSITIONS, loraMask, POSITION_IDS } from '../../graph/ports.js';
import { float32, type InputTensor, int64 } from '../ort.js';
import type { RankFeed } from '../rank-rows.js';
import type { RunnerRow } from '../runner.js';
import type { GpuKv } from './gpu-kv.js';

export interface GpuBatch {
  rows: readonly RunnerRow[];
  /** T: rows with fewer tokens are padded with copies of their last one, which compute and write the same again. */
  tokens: number;
  /** One for each of `PROJECTIONS`, or none where the graph has no LoRA ports. */
  ranks: readonly Pick<RankFeed, 'rows' | 'spans'>[];
}

export function gpuInputs(
  config: ModelConfig,
  kv: Pick<GpuKv, 'blocks'>,
  { rows, tokens, ranks }: GpuBatch,
): Record<string, InputTensor> {
  const { heads, kvHeads, headDim } = config;
  const [B, T] = [rows.length, tokens];
  const ids = new BigInt64Array(B * T);
  const positions = new BigInt64Array(B * T);
  const visible = new Float32Array(B * T);
  const lines = new BigInt64Array(B * kvHeads * T);
  const longest = rows.reduce((most, row) => Math.max(most, row.start + row.tokens.length), 0);
  const blocksRead = Math.ceil(longest / BLOCK_POSITIONS);
  const blocks = new BigInt64Array(B * kvHeads * blocksRead);
  for (const [b, row] of rows.entries()) {
    const own = kv.blocks(row.row);
    const [first = 0] = own;
    for (let t = 0; t < T; t++) {
      const at = Math.min(t, row.tokens.length - 1);
      const position = row.start + at;
      ids[b * T + t] = BigInt(row.tokens[at] as number);
      positions[b * T + t] = BigInt(position);
      visible[b * T + t] = position;
      const block = own[Math.floor(position / BLOCK_POSITIONS)];
      if (block === undefined) throw new Error(`row ${row.row} has no place for position ${position}`);
      for (let head = 0; head < kvHeads; head++) {
        const line = (block * kvHeads + head) * BLOCK_POSITIONS + (position % BLOCK_POSITIONS);
        lines[(b * kvHeads + head) * T + t] = BigInt(line);
      }
    }
    for (let head = 0; head < kvHeads; head++) {
      for (let n = 0; n < blocksRead; n++) {
        // Behind the row's own blocks nothing is seen, so any will do.
        blocks[(b * kvHeads + head) * blocksRead + n] = BigInt((own[n] ?? first) * kvHeads + head);
      }
    }
  }
  const S = blocksRead * BLOCK_POSITIONS;
  const wanted = rows.flatMap((row, b) => row.logitsAt.map((at) => BigInt(b * T + at)));
  const feeds: Record<string, InputTensor> = {
    [INPUT_IDS]: int64(ids, [B, T]),
    [POSITION_IDS]: int64(positions, [B, T]),
    [LOGIT_POSITIONS]: int64(BigInt64Array.from(wanted), [wanted.length]),
    [QUERY_SHAPE]: int64(BigInt64Array.from([B, T, heads, headDim].map(BigInt)), [4]),
    [KEY_SHAPE]: int64(BigInt64Array.from([B, T, kvHeads, headDim].map(BigInt)), [4]),
    [KV_LINES]: int64(lines, [lines.length, 1]),
    [KV_BLOCKS]: int64(blocks, [B, kvHeads, blocksRead]),
    [KV_POSITIONS]: float32(
      Float32Array.from({ length: S }, (_, position) => position),
      [S],
    ),
    [LAST_VISIBLE]: float32(visible, [B, 1, T, 1]),
  };
  for (const [i, projection] of PROJECTIONS.entries()) {
    const feed = ranks[i];
    if (feed === undefined) continue;
    const times = projection === 'lm_head' ? rows.map(({ logitsAt }) => logitsAt.length) : rows.map(() => T);
    feeds[loraMask(projection)] = rankMask(rows, times, feed);
  }
  return feeds;
}

/** The weight of each rank row for each token, a row's tokens alike: [sum of times, R] */
function rankMask(
  rows: readonly RunnerRow[],
  times: readonly number[],
  { rows: R, spans }: Pick<RankFeed, 'rows' | 'spans'>,
): InputTensor {
  const tokens = times.reduce((sum, each) => sum + each, 0);
  const mask = new Float32Array(tokens * R);
  let at = 0;
  for (const [b, { adapters }] of rows.entries()) {
    const first = mask.subarray(at, at + R);
    const repeats = times[b] ?? 0;
    if (repeats === 0) continue;
    for (const { digest, weight } of adapters) {
      const span = spans.get(digest);
      if (span === undefined) continue;
      // A revision may stand at two nodes of a path.
      for (let r = span.offset; r < span.offset + span.rank; r++) first[r] = (first[r] as number) + weight;
    }
    for (let copy = 1; copy < repeats; copy++) mask.copyWithin(at + copy * R, at, at + R);
    at += repeats * R;
  }
  return float32(mask, [tokens, R]);
}
