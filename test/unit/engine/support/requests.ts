import { GREEDY, type AdapterUse, type GenerationRequest } from '../../../../src/engine/protocol.js';

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
