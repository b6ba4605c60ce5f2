/** The names of tensors in `adapter_model.safetensors`. */
import { InvalidAdapterTensorError } from '../../errors/adapters.js';
import { EMBEDDING, LM_HEAD } from '../checkpoint/expected-tensors.js';
import { shorten } from '../json.js';

const PREFIX = 'base_model.model.';

/** One half of a module's delta; an adapter's name may stand before `.weight`. */
const HALF = /^(.+)\.lora_(A|B)(?:\.[^.]+)?\.weight$/;

/** Keys that say which feature they belong to. */
const REFUSED: readonly { pattern: RegExp; reason: string }[] = [
  {
    pattern: /\.lora_embedding_[AB]/,
    reason: 'is LoRA on the embedding, which is not served; leave embed_tokens out of target_modules',
  },
  { pattern: /\.lora_magnitude_vector/, reason: 'belongs to DoRA; train with use_dora=False' },
  { pattern: /\.lora_[AB](?:\.[^.]+)?\.bias$/, reason: 'is a bias of the adapter; train with lora_bias=False' },
  { pattern: /\.modules_to_save\./, reason: 'replaces a whole weight; train without modules_to_save' },
  { pattern: /\.token_adapter\./, reason: 'replaces rows of the embedding; train without trainable_token_indices' },
  { pattern: /\.bias$/, reason: 'is a trained bias; train with bias="none"' },
];

export interface AdapterKeys {
  /** Module → keys of A and B. */
  halves: Map<string, { A?: string; B?: string }>;
  /** Keys of copies of base weights, which PEFT saves beside a delta of lm_head → the base's tensor. */
  baseCopies: Map<string, string>;
}

/** The key that PEFT gives one half of a module's delta. */
export function adapterKey(module: string, half: 'A' | 'B'): string {
  return `${PREFIX}${module}.lora_${half}.weight`;
}

export function sortKeys(keys: Iterable<string>): AdapterKeys {
  const halves: AdapterKeys['halves'] = new Map();
  const baseCopies: AdapterKeys['baseCopies'] = new Map();
  for (const key of keys) {
    const name = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : null;
    const copied = name?.replace('.base_layer.', '.');
    const [, module, half] = (name === null ? null : HALF.exec(name)) ?? [];
    if (module !== undefined && (half === 'A' || half === 'B')) {
      const pair = halves.get(module) ?? {};
      if (pair[half] !== undefined) {
        throw new InvalidAdapterTensorError(
          shorten(key),
          `and "${shorten(pair[half])}" are the same half of one module; save one adapter`,
        );
      }
      halves.set(module, { ...pair, [half]: key });
    } else if (copied === EMBEDDING || copied === LM_HEAD) {
      baseCopies.set(key, copied);
    } else {
      const known = REFUSED.find(({ pattern }) => pattern.test(key));
      throw new InvalidAdapterTensorError(
        shorten(key),
        known?.reason ??
          `is no key of a PEFT LoRA adapter: those are ${PREFIX}<module>.lora_A.weight and .lora_B.weight. Save it with PEFT's save_pretrained`,
      );
    }
  }
  return { halves, baseCopies };
}
