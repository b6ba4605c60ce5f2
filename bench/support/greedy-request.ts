/** What a benchmark asks of the engine: greedy tokens, as many as it says, that nothing ends early. */
import { GREEDY, type AdapterUse, type GenerationRequest, type ModelSource } from '../../src/engine/protocol.js';
import { RandomNumbers } from './random-numbers.js';

let requests = 0;

export function greedyRequest(
  { digest, folder }: ModelSource,
  adapters: readonly AdapterUse[],
  prompt: readonly number[],
  maxTokens: number,
): GenerationRequest {
  return {
    id: `request ${requests++}`,
    model: { digest, folder },
    adapters: [...adapters],
    pathDigest: adapters.map((use) => use.digest).join(),
    prompt: [...prompt],
    maxTokens,
    stopTokenIds: [],
    minTokens: 0,
    sampling: GREEDY,
    logprobs: null,
    scoreFrom: null,
  };
}

/** Token ids that begin differently for each seed. */
export function randomPrompt(length: number, vocab: number, seed: number): number[] {
  const random = new RandomNumbers(seed + 1);
  return Array.from({ length }, () => random.below(vocab));
}
