/** The linear layers of a base model by their PEFT names: what an adapter may target and what the graph gives ports. */
import type { ModelConfig } from './model-config.js';

export const PROJECTIONS = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
  'lm_head',
] as const;
/** The last segment of a module's name. All modules of one projection have the same shape. */
export type Projection = (typeof PROJECTIONS)[number];

export interface LinearModule {
  /** For example `model.layers.3.self_attn.q_proj`, or `lm_head`. */
  name: string;
  projection: Projection;
  inFeatures: number;
  outFeatures: number;
}

/** Every linear of the model, in the order of the forward pass, `lm_head` last. */
export function linearModules(config: ModelConfig): LinearModule[] {
  const { hiddenSize, intermediateSize, headDim } = config;
  const q = config.heads * headDim;
  const kv = config.kvHeads * headDim;
  const modules: LinearModule[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (parent: string, projection: Projection, inFeatures: number, outFeatures: number) =>
      modules.push({ name: `model.layers.${layer}.${parent}.${projection}`, projection, inFeatures, outFeatures });
    add('self_attn', 'q_proj', hiddenSize, q);
    add('self_attn', 'k_proj', hiddenSize, kv);
    add('self_attn', 'v_proj', hiddenSize, kv);
    add('self_attn', 'o_proj', q, hiddenSize);
    add('mlp', 'gate_proj', hiddenSize, intermediateSize);
    add('mlp', 'up_proj', hiddenSize, intermediateSize);
    add('mlp', 'down_proj', intermediateSize, hiddenSize);
  }
  modules.push({
    name: 'lm_head',
    projection: 'lm_head',
    inFeatures: hiddenSize,
    outFeatures: config.vocabSize,
  });
  return modules;
}

/** Whether the linears of a projection carry a bias. */
export function hasBias({ bias }: ModelConfig, projection: Projection): boolean {
  switch (projection) {
    case 'q_proj':
    case 'k_proj':
    case 'v_proj':
      return bias.qkv;
    case 'o_proj':
      return bias.o;
    case 'gate_proj':
    case 'up_proj':
    case 'down_proj':
      return bias.mlp;
    case 'lm_head':
      return false;
  }
}
