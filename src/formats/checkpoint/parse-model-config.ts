/**
 * `config.json` of a Hugging Face checkpoint → ModelConfig, with the defaults and the meaning that transformers gives to
 * each field of these architectures. A field that changes the function and isn't implemented is refused by name; fields
 * that transformers itself doesn't read for them mean nothing here either.
 */
import { z } from 'zod';
import { InvalidFileError } from '../../errors/files.js';
import { UnsupportedArchitectureError, UnsupportedConfigError } from '../../errors/models.js';
import { MODEL_TYPES, type ModelConfig, type ModelType } from './model-config.js';
import { parseRope } from './rope-config.js';

export const CONFIG_FILE = 'config.json';

/** Far above every model there is, and small enough that a product of two stays exact. */
const size = z.number().int().positive().max(9e7);

const fields = z.object({
  architectures: z.array(z.string()).nullish(),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size.max(10_000),
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: z.string().nullish(),
  max_position_embeddings: size.nullish(),
  rms_norm_eps: z.number().positive().max(1).nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.number().int().min(0).nullish(),
  layer_types: z.array(z.string()).nullish(),
});
type Fields = z.infer<typeof fields>;

/** What differs between the architectures: transformers' defaults, and which fields it reads for them. */
interface Defaults {
  kvHeads: number | null;
  headDim: number | null;
  maxPositions: number;
  bias: (config: Fields) => ModelConfig['bias'];
  qkNorm: boolean;
}

const ARCHITECTURES: Readonly<Record<ModelType, Defaults>> = {
  llama: {
    kvHeads: null,
    headDim: null,
    maxPositions: 2048,
    bias: ({ attention_bias, mlp_bias }) => ({ qkv: !!attention_bias, o: !!attention_bias, mlp: !!mlp_bias }),
    qkNorm: false,
  },
  mistral: {
    kvHeads: 8,
    headDim: null,
    maxPositions: 131_072,
    bias: () => ({ qkv: false, o: false, mlp: false }),
    qkNorm: false,
  },
  qwen2: {
    kvHeads: 32,
    headDim: null,
    maxPositions: 32_768,
    bias: () => ({ qkv: true, o: false, mlp: false }),
    qkNorm: false,
  },
  qwen3: {
    kvHeads: 32,
    headDim: 128,
    maxPositions: 32_768,
    bias: ({ attention_bias }) => ({ qkv: !!attention_bias, o: !!attention_bias, mlp: false }),
    qkNorm: true,
  },
};

/** Fields that must be absent, null, or as said here. */
const REFUSED: readonly { field: string; allowed: (value: unknown) => boolean; reason: string }[] = [
  {
    field: 'quantization_config',
    allowed: () => false,
    reason: 'says that the weights are quantized; export the checkpoint in F32, F16 or BF16',
  },
  {
    field: 'auto_map',
    allowed: () => false,
    reason: 'says that the checkpoint brings its own code, which is never run; convert it to a standard architecture',
  },
  { field: 'per_layer_config', allowed: () => false, reason: 'gives single layers a config of their own' },
  { field: 'is_causal', allowed: (value) => value === true, reason: 'turns causal attention off' },
];

export function parseModelConfig(json: unknown): ModelConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new InvalidFileError(CONFIG_FILE, 'is not a JSON object');
  }
  const raw = json as Record<string, unknown>;
  const modelType = parseModelType(raw.model_type);
  for (const { field, allowed, reason } of REFUSED) {
    const value = raw[field];
    if (value !== undefined && value !== null && !allowed(value)) throw new UnsupportedConfigError(field, reason);
  }
  const parsed = fields.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UnsupportedConfigError(issue?.path.join('.') ?? '', `is wrong: ${issue?.message ?? ''}`);
  }
  const config = parsed.data;
  checkArchitecture(config);
  if (config.hidden_act !== null && config.hidden_act !== undefined && config.hidden_act !== 'silu') {
    throw new UnsupportedConfigError('hidden_act', `is "${config.hidden_act}"; only silu is implemented`);
  }

  const defaults = ARCHITECTURES[modelType];
  const heads = config.num_attention_heads;
  // Absent, it has the architecture's default; null means as many as there are heads.
  const kvHeads = (config.num_key_value_heads === undefined ? defaults.kvHeads : config.num_key_value_heads) ?? heads;
  if (heads % kvHeads !== 0) {
    throw new UnsupportedConfigError('num_key_value_heads', `is ${kvHeads}, which does not divide ${heads} heads`);
  }
  const headDim = config.head_dim ?? defaults.headDim ?? Math.floor(config.hidden_size / heads);
  if (headDim % 2 !== 0 || headDim === 0) {
    throw new UnsupportedConfigError('head_dim', `is ${headDim}; rotary embeddings need an even number`);
  }
  const positions = config.max_position_embeddings ?? defaults.maxPositions;
  return {
    modelType,
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    layers: config.num_hidden_layers,
    heads,
    kvHeads,
    headDim,
    rmsNormEps: config.rms_norm_eps ?? 1e-6,
    rope: parseRope(raw, positions),
    maxPositions: Math.min(positions, slidingWindow(modelType, config) ?? Infinity),
    tiedEmbeddings: config.tie_word_embeddings ?? false,
    bias: defaults.bias(config),
    qkNorm: defaults.qkNorm,
  };
}

function parseModelType(value: unknown): ModelType {
  const known = MODEL_TYPES.find((type) => type === value);
  if (known !== undefined) return known;
  if (typeof value !== 'string') throw new UnsupportedConfigError('model_type', 'is missing or not a string');
  throw new UnsupportedArchitectureError(value.slice(0, 100), MODEL_TYPES);
}

/** A model without a language head has other weights, and other uses. */
function checkArchitecture({ architectures }: Fields): void {
  const other = architectures?.find((name) => !name.endsWith('ForCausalLM'));
  if (other !== undefined) {
    throw new UnsupportedConfigError('architectures', `names ${other}; only …ForCausalLM generates text`);
  }
}

/**
 * The window that attention is cut to, or null. Sequences no longer than it are computed as without, so it becomes the
 * longest sequence that is served.
 */
function slidingWindow(modelType: ModelType, config: Fields): number | null {
  const { sliding_window: window, layer_types: layerTypes } = config;
  switch (modelType) {
    case 'llama':
      return null;
    case 'mistral':
      // transformers' default, where the field is absent and not null.
      return window === undefined ? 4096 : window;
    case 'qwen2':
    case 'qwen3': {
      const firstWindowed = config.max_window_layers ?? 28;
      const types =
        layerTypes ??
        Array.from({ length: config.num_hidden_layers }, (_, layer) =>
          config.use_sliding_window === true && layer >= firstWindowed ? 'sliding_attention' : 'full_attention',
        );
      const other = types.find((type) => type !== 'sliding_attention' && type !== 'full_attention');
      if (other !== undefined) throw new UnsupportedConfigError('layer_types', `has the unknown type "${other}"`);
      if (!types.includes('sliding_attention') || window === null) return null;
      if (config.use_sliding_window !== true) {
        throw new UnsupportedConfigError('layer_types', 'has sliding_attention, but use_sliding_window is off');
      }
      return window ?? 4096;
    }
  }
}
