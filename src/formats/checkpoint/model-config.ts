/** What the architecture of a checkpoint is, after reading and checking its `config.json`. */

export const MODEL_TYPES = ['llama', 'mistral', 'qwen2', 'qwen3'] as const;
export type ModelType = (typeof MODEL_TYPES)[number];

export type RopeScaling =
  | { type: 'default' }
  | { type: 'linear'; factor: number }
  | {
      type: 'llama3';
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositions: number;
    };

export interface ModelConfig {
  modelType: ModelType;
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  rmsNormEps: number;
  rope: { theta: number; scaling: RopeScaling };
  /** Longest sequence that is served. An active sliding window caps it: inside the window both attentions are equal. */
  maxPositions: number;
  tiedEmbeddings: boolean;
  /** Which linears carry a bias. */
  bias: { qkv: boolean; o: boolean; mlp: boolean };
  /** RMS norm on each head of q and k (qwen3). */
  qkNorm: boolean;
}
