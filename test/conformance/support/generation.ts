/** What a path's greedy generation looks like as a request, and how its outputs are gathered. */
import { GREEDY, type GenerationRequest, type RowOutput, type TokenLogprob } from '../../../src/engine/protocol.js';
import type { Expectation, GoldenCase } from './golden.js';

/** The prompt and the greedy continuation of an expectation, with the log-probabilities of both. */
export function greedyRequest(golden: GoldenCase, expectation: Expectation): GenerationRequest {
  const { title, prompt, greedy, steps } = expectation;
  return {
    id: `${golden.name}${title}`,
    model: { digest: golden.name, folder: golden.checkpoint.folder },
    adapters: golden.uses(steps),
    pathDigest: `digest of ${golden.name}${title}`,
    prompt: [...prompt],
    maxTokens: greedy.length,
    stopTokenIds: [],
    minTokens: 0,
    sampling: GREEDY,
    logprobs: 0,
    scoreFrom: 1,
  };
}

export interface Generated {
  tokens: number[];
  /** Of the prompt from its second token on, and of the tokens. */
  logprobs: number[];
  finish: RowOutput['finish'];
  error: RowOutput['error'];
}

/** Rows may come in any number of parts and in any order between requests. */
export function gather(outputs: readonly RowOutput[]): Map<string, Generated> {
  const rows = new Map<string, Generated>();
  for (const { id, token, promptLogprobs, logprob, finish, error } of outputs) {
    const row = rows.get(id) ?? { tokens: [], logprobs: [], finish: undefined, error: undefined };
    rows.set(id, row);
    const added: TokenLogprob[] = [...(promptLogprobs ?? []), ...(logprob === undefined ? [] : [logprob])];
    row.logprobs.push(...added.map(({ logprob }) => logprob));
    if (token !== undefined) row.tokens.push(token);
    row.finish ??= finish;
    row.error ??= error;
  }
  return rows;
}

/** log softmax of the golden logits at each next token, in double precision. */
export function goldenLogprobs(golden: GoldenCase, expectation: Expectation): number[] {
  const logits = golden.logits(expectation);
  const { vocabSize } = golden.checkpoint.config;
  const tokens = [...expectation.prompt, ...expectation.greedy];
  return tokens.slice(1).map((token, position) => {
    const row = [...logits.subarray(position * vocabSize, (position + 1) * vocabSize)];
    const largest = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    return row[token]! - largest - Math.log(sum);
  });
}
