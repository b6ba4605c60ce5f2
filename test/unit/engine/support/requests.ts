import type { AdapterUse, GenerationRequest, SamplingParams } from '../../../../src/engine/protocol.js';

export const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: {},
  seed: 1,
};

export function adapter(digest: string, rank: number): AdapterUse {
  return { digest, rank, weight: 1, configFile: `${digest}.json`, weightsFile: `${digest}.safetensors` };
}

export function request(
  id: string,
  promptLength: number,
  maxTokens: number,
  more: Partial<GenerationRequest> = {},
): GenerationRequest {
  return {
    id,
    model: { digest: 'model', folder: '/model' },
    adapters: [],
    pathDigest: 'path',
    prompt: Array.from({ length: promptLength }, (_, i) => i % 5),
    maxTokens,
    stopTokenIds: [],
    minTokens: 0,
    sampling: GREEDY,
    logprobs: null,
    scoreFrom: null,
    ...more,
  };
}
