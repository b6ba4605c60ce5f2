/**
 * The plainest way to run a decoder graph: whole sequences, no cache (S = 0), every distinct adapter of the batch in the
 * shared port, every token's logits. What the engine does with less work must give the same.
 */
import { float32, int64, type Feeds, type OutputTensor, type Session } from '../../../src/engine/ort.js';
import type { ModelConfig } from '../../../src/formats/checkpoint/model-config.js';
import { linearModules, PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import {
  ATTENTION_BIAS,
  INPUT_IDS,
  LOGIT_POSITIONS,
  loraA,
  loraB,
  loraMask,
  MASKED,
  pastK,
  pastV,
  POSITION_IDS,
} from '../../../src/graph/ports.js';
import { fold } from '../../../src/lowrank/fold.js';
import type { LowRankDelta } from '../../../src/lowrank/delta.js';

export interface WholeRow {
  tokens: readonly number[];
  adapters: readonly { adapter: { deltas: ReadonlyMap<string, LowRankDelta> }; weight: number }[];
}

export interface WholeResult {
  /** Of each row: [tokens, vocab] */
  logits: Float32Array[];
  newK: OutputTensor;
  newV: OutputTensor;
}

export async function runWhole(session: Session, config: ModelConfig, rows: readonly WholeRow[]): Promise<WholeResult> {
  const outputs = await session.run(feedsOf(config, rows));
  const { logits, new_k: newK, new_v: newV } = outputs;
  if (!logits || !newK || !newV) throw new Error('The graph misses an output.');
  let at = 0;
  return {
    logits: rows.map(({ tokens }) => {
      const start = at * config.vocabSize;
      at += tokens.length;
      return logits.data.subarray(start, at * config.vocabSize);
    }),
    newK,
    newV,
  };
}

function feedsOf(config: ModelConfig, rows: readonly WholeRow[]): Feeds {
  const { kvHeads, headDim, heads, layers } = config;
  const B = rows.length;
  const T = Math.max(...rows.map(({ tokens }) => tokens.length));
  const ids = new BigInt64Array(B * T);
  const positions = new BigInt64Array(B * T);
  const wanted: bigint[] = [];
  rows.forEach(({ tokens }, row) =>
    tokens.forEach((token, t) => {
      ids[row * T + t] = BigInt(token);
      positions[row * T + t] = BigInt(t);
      wanted.push(BigInt(row * T + t));
    }),
  );
  const copies = T === 1 ? 1 : heads / kvHeads;
  const bias = new Float32Array(B * copies * T * T).fill(MASKED);
  for (let block = 0; block < B * copies; block++) {
    for (let t = 0; t < T; t++) bias.fill(0, (block * T + t) * T, (block * T + t) * T + t + 1);
  }
  const feeds: Record<string, Feeds[string]> = {
    [INPUT_IDS]: int64(ids, [B, T]),
    [POSITION_IDS]: int64(positions, [B, T]),
    [ATTENTION_BIAS]: float32(bias, [B, 1, copies * T, T]),
    [LOGIT_POSITIONS]: int64(BigInt64Array.from(wanted), [wanted.length]),
  };
  for (let layer = 0; layer < layers; layer++) {
    feeds[pastK(layer)] = float32(new Float32Array(0), [B, kvHeads, headDim, 0]);
    feeds[pastV(layer)] = float32(new Float32Array(0), [B, kvHeads, 0, headDim]);
  }
  return { ...feeds, ...loraFeeds(config, rows, B * T, wanted.map(Number), T) };
}

/** A and B of all distinct adapters one below the other; each as high in all modules of a projection. */
function loraFeeds(config: ModelConfig, rows: readonly WholeRow[], N: number, wanted: number[], T: number): Feeds {
  const feeds: Record<string, Feeds[string]> = {};
  const distinct = [...new Set(rows.flatMap(({ adapters }) => adapters.map(({ adapter }) => adapter)))];
  for (const projection of PROJECTIONS) {
    const modules = linearModules(config).filter((module) => module.projection === projection);
    const starts = new Map<unknown, { start: number; end: number }>();
    let R = 0;
    for (const adapter of distinct) {
      const start = R;
      R += Math.max(...modules.map(({ name }) => adapter.deltas.get(name)?.rank ?? 0));
      starts.set(adapter, { start, end: R });
    }
    const maskRow = new Map(
      rows.map((row) => {
        const mask = new Float32Array(R);
        for (const { adapter, weight } of row.adapters) {
          // Every adapter of a row is in `distinct`.
          const { start, end } = starts.get(adapter)!;
          mask.fill(weight, start, end);
        }
        return [row, mask];
      }),
    );
    const tokens = projection === 'lm_head' ? wanted : Array.from({ length: N }, (_, i) => i);
    const mask = new Float32Array(tokens.length * R);
    tokens.forEach((token, i) => mask.set(maskRow.get(rows[Math.floor(token / T)]!)!, i * R));
    feeds[loraMask(projection)] = float32(mask, [tokens.length, R]);
    for (const { name, inFeatures, outFeatures } of modules) {
      const a = new Float32Array(R * inFeatures);
      const b = new Float32Array(R * outFeatures);
      for (const adapter of distinct) {
        const delta = adapter.deltas.get(name);
        if (delta === undefined) continue;
        const folded = fold(delta);
        const { start } = starts.get(adapter)!;
        a.set(folded.a, start * inFeatures);
        b.set(folded.b, start * outFeatures);
      }
      feeds[loraA(name)] = float32(a, [R, inFeatures]);
      feeds[loraB(name)] = float32(b, [R, outFeatures]);
    }
  }
  return feeds;
}
