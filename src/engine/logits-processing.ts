/** What is done to logits before a token is drawn: a bias, tokens that are barred, penalties for tokens that were there before. */
import { MAX_FLOAT32 } from './finite.js';
import type { SamplingParams } from './protocol.js';

/** What penalties look at. */
export interface TokenHistory {
  /** Tokens of prompt and output. */
  readonly seen: ReadonlySet<number>;
  /** Output token → how often it came. */
  readonly generated: ReadonlyMap<number, number>;
}

export function needsProcessing(params: SamplingParams): boolean {
  return (
    params.repetitionPenalty !== 1 ||
    params.presencePenalty !== 0 ||
    params.frequencyPenalty !== 0 ||
    Object.keys(params.logitBias).length > 0
  );
}

/**
 * In order: bias, tokens that may not be drawn now, repetition penalty, presence and frequency penalties. scores: logits,
 * [vocab], finite, changed in place; the barred are -Infinity then.
 */
export function processLogits(
  scores: Float32Array,
  params: SamplingParams,
  history: TokenHistory,
  barred: readonly number[],
): void {
  const change = (id: number, to: (score: number) => number): void => {
    const score = scores[id];
    if (score === undefined || score === -Infinity) return;
    // Past all numbers, scores could not be compared any more.
    scores[id] = Math.max(-MAX_FLOAT32, Math.min(to(score), MAX_FLOAT32));
  };
  for (const [token, bias] of Object.entries(params.logitBias)) change(Number(token), (score) => score + bias);
  for (const id of barred) if (id < scores.length) scores[id] = -Infinity;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = params;
  if (repetitionPenalty !== 1) {
    for (const id of history.seen) {
      change(id, (score) => (score > 0 ? score / repetitionPenalty : score * repetitionPenalty));
    }
  }
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    for (const [id, times] of history.generated) {
      change(id, (score) => score - presencePenalty - frequencyPenalty * times);
    }
  }
}
