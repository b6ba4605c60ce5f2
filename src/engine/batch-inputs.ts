/** The inputs of a run that are small and made anew: ids, positions, attention bias, logit positions, rank masks. */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { PROJECTIONS } from '../formats/checkpoint/modules.js';
import { ATTENTION_BIAS, beside, INPUT_IDS, LOGIT_POSITIONS, loraMask, MASKED, POSITION_IDS } from '../graph/ports.js';
import { float32, type InputTensor, int64 } from './ort.js';
import type { RankFeed } from './rank-rows.js';
import type { RankFeeds } from './rank-feeds.js';
import type { RunnerRow } from './runner.js';

/** Rows of one T and one S. */
export interface BatchPart {
  /** In the order of the logits. */
  rows: readonly RunnerRow[];
  /** The same, in the order in which they lie in the cache. */
  ordered: readonly RunnerRow[];
  /** T */
  tokens: number;
  /** S */
  capacity: number;
}

export class BatchInputs {
  readonly #config: ModelConfig;
  /** Of each part. Grow to the largest bias so far, and are filled anew for each run. */
  readonly #biases = [new Float32Array(0), new Float32Array(0)];

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  /** Of one part, or of two. */
  build(parts: readonly BatchPart[], ranks: RankFeeds, feeds: Record<string, InputTensor>): void {
    const wanted: bigint[] = [];
    let firstToken = 0;
    for (const [part, { rows, ordered, tokens, capacity }] of parts.entries()) {
      const named = part === 0 ? (name: string): string => name : beside;
      const ids = new BigInt64Array(ordered.length * tokens);
      const positions = new BigInt64Array(ordered.length * tokens);
      for (const [b, row] of ordered.entries()) {
        for (let t = 0; t < row.tokens.length; t++) {
          ids[b * tokens + t] = BigInt(row.tokens[t] as number);
          positions[b * tokens + t] = BigInt(row.start + t);
        }
      }
      for (const row of rows) {
        const begin = firstToken + ordered.indexOf(row) * tokens;
        for (const at of row.logitsAt) wanted.push(BigInt(begin + at));
      }
      feeds[named(INPUT_IDS)] = int64(ids, [ordered.length, tokens]);
      feeds[named(POSITION_IDS)] = int64(positions, [ordered.length, tokens]);
      feeds[named(ATTENTION_BIAS)] = this.#attentionBias(part, { ordered, tokens, capacity });
      firstToken += ordered.length * tokens;
    }
    feeds[LOGIT_POSITIONS] = int64(BigInt64Array.from(wanted), [wanted.length]);
    this.#masks(parts, ranks, feeds);
  }

  /** Lets go of memory that only large runs need. */
  forget(): void {
    this.#biases.fill(new Float32Array(0));
  }

  #masks(parts: readonly BatchPart[], { shared, slotted }: RankFeeds, feeds: Record<string, InputTensor>): void {
    if (shared.length === 0) return;
    const ofTokens = parts.flatMap(({ ordered, tokens }, part) =>
      ordered.flatMap((row) => {
        const masked = { row, slotted: slotted[part] ?? NONE };
        return Array.from({ length: tokens }, (_, t) => (t < row.tokens.length ? masked : null));
      }),
    );
    for (const [i, projection] of PROJECTIONS.entries()) {
      const feed = shared[i] as RankFeed;
      if (projection !== 'lm_head') feeds[loraMask(projection)] = rankMask(ofTokens, feed);
      else {
        const wanted = parts.flatMap(({ rows }) =>
          rows.flatMap((row) => row.logitsAt.map(() => ({ row, slotted: NONE }))),
        );
        feeds[loraMask(projection)] = rankMask(wanted, feed);
      }
    }
  }

  /** [B, 1, Q, S + T]: Q = 1 when T = 1, else g·T. A token sees the row's past and, of the new ones, up to itself. */
  #attentionBias(part: number, { ordered, tokens, capacity }: Omit<BatchPart, 'rows'>): InputTensor {
    const width = capacity + tokens;
    const queries = tokens === 1 ? 1 : (this.#config.heads / this.#config.kvHeads) * tokens;
    const length = ordered.length * queries * width;
    let bias = this.#biases[part] ?? new Float32Array(0);
    if (bias.length < length) bias = this.#biases[part] = new Float32Array(length);
    for (const [b, { start }] of ordered.entries()) {
      const begin = b * queries * width;
      for (let t = 0; t < tokens; t++) {
        const at = begin + t * width;
        // Rows without a past may be fed none.
        bias.fill(0, at, at + Math.min(start, capacity));
        bias.fill(MASKED, at + Math.min(start, capacity), at + capacity);
        bias.fill(0, at + capacity, at + capacity + t + 1);
        bias.fill(MASKED, at + capacity + t + 1, at + width);
      }
      for (let copy = tokens; copy < queries; copy += tokens) {
        bias.copyWithin(begin + copy * width, begin, begin + tokens * width);
      }
    }
    return float32(bias.subarray(0, length), [ordered.length, 1, queries, width]);
  }
}

const NONE: ReadonlySet<string> = new Set();

/**
 * The weight of each rank row for each token: [tokens, R]. A padding token (null) has none, nor has an adapter that is in
 * private slots, though its rows may be fed along with others.
 */
function rankMask(
  tokens: readonly ({ row: RunnerRow; slotted: ReadonlySet<string> } | null)[],
  { rows, spans }: RankFeed,
): InputTensor {
  const mask = new Float32Array(tokens.length * rows);
  if (rows === 0) return float32(mask, [tokens.length, 0]);
  for (const [n, token] of tokens.entries()) {
    for (const { digest, weight } of token?.row.adapters ?? []) {
      const span = spans.get(digest);
      if (span === undefined || token?.slotted.has(digest) === true) continue;
      const begin = n * rows + span.offset;
      // A revision may stand at two nodes of a path.
      for (let r = begin; r < begin + span.rank; r++) mask[r] = (mask[r] as number) + weight;
    }
  }
  return float32(mask, [tokens.length, rows]);
}
