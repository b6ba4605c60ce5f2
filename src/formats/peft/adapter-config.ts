/**
 * `adapter_config.json` of PEFT (0.21 and before) as an allow-list: what the delta depends on is read, what only matters
 * in training is passed over, and anything else that isn't at its default is refused by name.
 */
import { z } from 'zod';
import { UnsupportedAdapterError } from '../../errors/adapters.js';
import { InvalidFileError } from '../../errors/files.js';
import { shorten } from '../json.js';

export const ADAPTER_CONFIG_FILE = 'adapter_config.json';

const names = z.union([z.string(), z.array(z.string())]);
const rank = z.number().int().positive();
const alpha = z.number();
const layerIndex = z.number().int().min(0);

/** Absent fields have PEFT's defaults. */
const fields = z.object({
  base_model_name_or_path: z.string().nullish(),
  r: rank.default(8),
  lora_alpha: alpha.default(8),
  use_rslora: z.boolean().default(false),
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), alpha).nullish(),
  target_modules: names.nullish(),
  exclude_modules: names.nullish(),
  layers_to_transform: z.union([layerIndex, z.array(layerIndex)]).nullish(),
  layers_pattern: names.nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
});

export interface AdapterConfig {
  baseModel: string | null;
  rank: number;
  alpha: number;
  rsLora: boolean;
  /** Pattern → value, in the order of the file: the first that matches counts. */
  rankPattern: ReadonlyMap<string, number>;
  alphaPattern: ReadonlyMap<string, number>;
  /** A list of names or suffixes, a regular expression, or `all-linear`. */
  targetModules: string | readonly string[];
  excludeModules: string | readonly string[];
  /** Null: all. */
  layers: readonly number[] | null;
  layersPattern: readonly string[];
  warnings: string[];
}

/** What matters in training, or says where the adapter came from. */
const NO_EFFECT = new Set([
  'auto_mapping',
  'peft_version',
  'revision',
  'inference_mode',
  'lora_dropout',
  'megatron_core',
  'qalora_group_size',
  'runtime_config',
  'eva_config',
]);

/** Field → what it does, and what to do instead. Refused unless null, false or empty. */
const REFUSED: Readonly<Record<string, string>> = {
  modules_to_save: 'replaces whole weights; train without it',
  trainable_token_indices: 'replaces rows of the embedding; train without it',
  target_parameters: 'targets bare parameters; name the linear layers in target_modules',
  use_dora: 'is DoRA, which rescales the weight and is no low-rank sum; train with use_dora=False',
  lora_bias: 'adds biases; train with lora_bias=False',
  alora_invocation_tokens: 'switches the adapter on in the middle of a text (aLoRA); train without it',
  layer_replication: 'changes the number of layers; train on a checkpoint that has them',
  use_qalora: 'pools the input (QALoRA); train with use_qalora=False',
  loftq_config: 'quantizes the base (LoftQ), so the delta belongs to other weights; train on the unquantized base',
  corda_config: 'changes the base weights (CorDA); convert it with path_initial_model_for_weight_conversion',
  lora_ga_config: 'changes the base weights (LoRA-GA); convert it with path_initial_model_for_weight_conversion',
  megatron_config: 'belongs to Megatron layers; save the adapter for the transformers model',
  velora_config: 'is a variant of LoRA (VeLoRA) that is not implemented; train plain LoRA',
  monteclora_config: 'is a variant of LoRA (MonteCLoRA) that is not implemented; train plain LoRA',
  use_bdlora: 'is a variant of LoRA (BD-LoRA) that is not implemented; train plain LoRA',
  arrow_config: 'routes between adapters (Arrow); push each of them as a node of its own',
  kasa_config: 'changes the base weights (KaSA); train plain LoRA',
  ensure_weight_tying: 'gives the embedding a delta too, through a tied lm_head; train with ensure_weight_tying=False',
};

/** Initialisers that leave the base as it was. `eva` and `mica` read it only. */
const KEEPS_BASE = new Set(['gaussian', 'orthogonal', 'eva', 'mica']);

/** PEFT's own choice for all four architectures, where a config names no modules. */
const DEFAULT_TARGETS = ['q_proj', 'v_proj'];

export function parseAdapterConfig(json: unknown): AdapterConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new InvalidFileError(ADAPTER_CONFIG_FILE, 'is not a JSON object');
  }
  const raw = new Map(Object.entries(json));
  checkKind(raw);
  const parsed = fields.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UnsupportedAdapterError(shorten(issue?.path.join('.') ?? ''), `is wrong: ${issue?.message ?? ''}`);
  }
  const config = parsed.data;
  for (const [field, value] of raw) {
    if (Object.hasOwn(fields.shape, field) || KIND.has(field) || NO_EFFECT.has(field) || isUnset(value)) continue;
    const reason = Object.hasOwn(REFUSED, field) ? REFUSED[field] : undefined;
    throw new UnsupportedAdapterError(
      shorten(field),
      reason ?? 'is a field that is not known, and not empty; it may change what the adapter does. Save it without',
    );
  }
  checkInitialiser(config.init_lora_weights);
  const layers = config.layers_to_transform ?? null;
  const layersPattern = asList(config.layers_pattern);
  if (typeof config.target_modules === 'string' && (layers !== null || layersPattern.length > 0)) {
    const field = layers === null ? 'layers_pattern' : 'layers_to_transform';
    throw new UnsupportedAdapterError(field, 'goes with a list in target_modules only, not with a pattern');
  }
  return {
    baseModel: config.base_model_name_or_path === '' ? null : (config.base_model_name_or_path ?? null),
    rank: config.r,
    alpha: config.lora_alpha,
    rsLora: config.use_rslora,
    rankPattern: new Map(Object.entries(config.rank_pattern ?? {})),
    alphaPattern: new Map(Object.entries(config.alpha_pattern ?? {})),
    targetModules: config.target_modules ?? DEFAULT_TARGETS,
    excludeModules: config.exclude_modules ?? [],
    layers: layers === null || typeof layers === 'number' ? (layers === null ? null : [layers]) : emptyIsNull(layers),
    layersPattern,
    warnings: config.fan_in_fan_out === true ? [FAN_IN_FAN_OUT] : [],
  };
}

/** PEFT resets it, with a warning, for each layer of these architectures: A and B are stored the same either way. */
const FAN_IN_FAN_OUT =
  'fan_in_fan_out has no meaning for the linear layers of this model; it is taken as false, as PEFT does.';

const KIND = new Set(['peft_type', 'task_type', 'bias']);

function checkKind(raw: ReadonlyMap<string, unknown>): void {
  const type = raw.get('peft_type');
  if (type !== 'LORA') throw new UnsupportedAdapterError('peft_type', `is ${show(type)}; only LORA is served`);
  const task = raw.get('task_type') ?? 'CAUSAL_LM';
  if (task !== 'CAUSAL_LM') {
    throw new UnsupportedAdapterError('task_type', `is ${show(task)}; only CAUSAL_LM adapters generate text`);
  }
  const bias = raw.get('bias') ?? 'none';
  if (bias !== 'none') {
    throw new UnsupportedAdapterError('bias', `is ${show(bias)}, so biases were trained too; train with bias="none"`);
  }
}

function checkInitialiser(initialiser: string | boolean | null | undefined): void {
  if (typeof initialiser !== 'string' || KEEPS_BASE.has(initialiser.toLowerCase())) return;
  throw new UnsupportedAdapterError(
    'init_lora_weights',
    `is ${show(initialiser)}, which changes the base weights, so the delta belongs to others than this model's. Save it with path_initial_model_for_weight_conversion, which turns it into plain LoRA`,
  );
}

/** How PEFT writes a field that isn't used. */
function isUnset(value: unknown): boolean {
  if (value === null || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function asList(value: string | string[] | null | undefined): string[] {
  if (value === null || value === undefined || value === '') return [];
  return typeof value === 'string' ? [value] : value;
}

function emptyIsNull(layers: number[]): number[] | null {
  return layers.length === 0 ? null : layers;
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : shorten(JSON.stringify(value), 100);
}
