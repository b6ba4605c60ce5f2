import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { linearModules } from '../../../src/formats/checkpoint/modules.js';
import { parseModelConfig } from '../../../src/formats/checkpoint/parse-model-config.js';
import { parseAdapterConfig } from '../../../src/formats/peft/adapter-config.js';
import { targetModules } from '../../../src/formats/peft/target-modules.js';
import { TINY } from './support/tiny-model.js';

interface Oracle {
  layers: number;
  defaults: Record<string, unknown>;
  /** targets: "rank scale" → modules */
  cases: { name: string; config: Record<string, unknown>; targets: Record<string, string[]> }[];
}
/** What PEFT itself does; made by make_peft_targets.py. */
const oracle = JSON.parse(readFileSync(fileURLToPath(new URL('peft-targets.json', import.meta.url)), 'utf8')) as Oracle;

const modules = linearModules(parseModelConfig({ ...TINY, num_hidden_layers: oracle.layers }));
const parse = (changes: Record<string, unknown>) => parseAdapterConfig({ ...oracle.defaults, ...changes });
const targetsOf = (changes: Record<string, unknown>) => targetModules(parse(changes), modules);
const namesOf = (changes: Record<string, unknown>) => targetsOf(changes).map(({ module }) => module.name);

describe("targets, ranks and scales are PEFT's", () => {
  it.each(oracle.cases)('$name', ({ config, targets }) => {
    const found: Record<string, string[]> = {};
    for (const { module, rank, scale } of targetsOf(config)) {
      const expectedKey = Object.keys(targets).find((key) => {
        const [expectedRank, expectedScale] = key.split(' ').map(Number);
        return expectedRank === rank && Math.abs((expectedScale ?? 0) - scale) < 1e-12;
      });
      (found[expectedKey ?? `${rank} ${scale}`] ??= []).push(module.name);
    }
    const sorted = (by: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(by).map(([key, names]) => [key, [...names].sort()]));
    expect(sorted(found)).toEqual(sorted(targets));
  });
});

describe('parseAdapterConfig', () => {
  it('takes the defaults of PEFT, and fields left out for them', () => {
    const expected = parse({});
    expect(expected).toMatchObject({ rank: 8, alpha: 8, rsLora: false, baseModel: null, layers: null, warnings: [] });
    expect(parseAdapterConfig({ peft_type: 'LORA' })).toEqual(expected);
  });

  it('passes over what only matters in training', () => {
    const training = {
      auto_mapping: { base_model_class: 'LlamaForCausalLM' },
      eva_config: { rho: 2 },
      inference_mode: true,
      init_lora_weights: 'gaussian',
      lora_dropout: 0.1,
      megatron_core: 'other',
      peft_version: '0.9',
      qalora_group_size: 32,
      revision: 'main',
      task_type: 'CAUSAL_LM',
    };
    expect(parse(training)).toEqual(parse({}));
  });

  it('reads layers_to_transform as a number, a list, or nothing', () => {
    expect(parse({ layers_to_transform: 3 }).layers).toEqual([3]);
    expect(parse({ layers_to_transform: [1, 2] }).layers).toEqual([1, 2]);
    expect(parse({ layers_to_transform: [] }).layers).toBeNull();
  });

  it('warns that fan_in_fan_out means nothing here', () => {
    expect(parse({ fan_in_fan_out: true }).warnings).toEqual([expect.stringContaining('fan_in_fan_out')]);
  });

  const refused: [string, unknown][] = [
    ['peft_type', 'IA3'],
    ['peft_type', undefined],
    ['task_type', 'SEQ_CLS'],
    ['bias', 'all'],
    ['bias', 'lora_only'],
    ['modules_to_save', ['lm_head']],
    ['use_dora', true],
    ['lora_bias', true],
    ['target_parameters', ['experts.gate_up_proj']],
    ['trainable_token_indices', [1]],
    ['alora_invocation_tokens', [1]],
    ['layer_replication', [[0, 4]]],
    ['use_qalora', true],
    ['ensure_weight_tying', true],
    ['loftq_config', { loftq_bits: 4 }],
    ['corda_config', { corda_method: 'ipm' }],
    ['lora_ga_config', { direction: 'ArBr' }],
    ['megatron_config', { x: 1 }],
    ['velora_config', { x: 1 }],
    ['monteclora_config', { x: 1 }],
    ['use_bdlora', { nblocks: 1 }],
    ['arrow_config', { top_k: 3 }],
    ['kasa_config', { beta: 1 }],
    ['a_field_of_the_future', 1],
    ['toString', true],
    ['init_lora_weights', 'pissa'],
    ['init_lora_weights', 'pissa_niter_16'],
    ['init_lora_weights', 'olora'],
    ['init_lora_weights', 'OLoRA'],
    ['init_lora_weights', 'corda'],
    ['init_lora_weights', 'loftq'],
    ['init_lora_weights', 'lora_ga'],
    ['init_lora_weights', 'of the future'],
    ['r', 0],
    ['r', 2.5],
    ['r', '8'],
    ['lora_alpha', '16'],
    ['lora_alpha', null],
    ['use_rslora', 'yes'],
    ['target_modules', 7],
    ['target_modules', [7]],
    ['layers_to_transform', -1],
  ];
  it.each(refused)('refuses %s = %j by name', (field, value) => {
    expect(() => parse({ [field]: value })).toThrow(
      expect.objectContaining({ code: 'unsupported_adapter', details: { field: expect.stringContaining(field) } }),
    );
    expect(() => parse({ [field]: value })).toThrow(`"${field}`);
  });

  it('refuses every field of PEFT that is neither read nor named as harmless, when it is set', () => {
    const harmless = new Set(
      'auto_mapping peft_version base_model_name_or_path revision inference_mode lora_dropout megatron_core qalora_group_size eva_config fan_in_fan_out'.split(
        ' ',
      ),
    );
    const set = { something: ['that', 'no', 'field', 'takes'] };
    for (const field of Object.keys(oracle.defaults).filter((name) => !harmless.has(name))) {
      expect(() => parse({ [field]: set })).toThrow(`"${field}`);
    }
  });

  it('names what is wrong inside a pattern', () => {
    expect(() => parse({ rank_pattern: { q_proj: 0 } })).toThrow('"rank_pattern.q_proj" is wrong');
    expect(() => parse({ alpha_pattern: { q_proj: '1' } })).toThrow('"alpha_pattern.q_proj" is wrong');
  });

  it('takes unknown fields that say nothing', () => {
    const empty = { future: null, other: false, more: {}, list: [], text: '' };
    expect(parse(empty)).toEqual(parse({}));
  });

  it('refuses layers together with a pattern, as PEFT does', () => {
    expect(() => parse({ target_modules: '.*q_proj', layers_to_transform: [1] })).toThrow('"layers_to_transform" goes');
    expect(() => parse({ target_modules: '.*q_proj', layers_pattern: 'h' })).toThrow('"layers_pattern" goes');
  });

  it('any JSON is read or refused with a code', () => {
    const field = fc.constantFrom(...Object.keys(oracle.defaults), 'merge_weights', '__proto__');
    fc.assert(
      fc.property(fc.dictionary(field, fc.jsonValue({ maxDepth: 2 })), fc.boolean(), (changes, whole) => {
        try {
          targetModules(parseAdapterConfig(whole ? { ...oracle.defaults, ...changes } : changes), modules);
        } catch (error) {
          expect(error).toBeInstanceOf(EspalierError);
        }
      }),
      { numRuns: 500 },
    );
    for (const value of [null, 1, 'x', []]) expect(() => parseAdapterConfig(value)).toThrow('not a JSON object');
  });
});

describe('patterns', () => {
  it.each([
    ['target_modules', '(?=.*q_proj).*'],
    ['target_modules', '('],
    ['target_modules', '.*(q)_\\1'],
    ['target_modules', 'layers.{,3}q_proj'],
    ['exclude_modules', '(?!x).*'],
  ])('%s refuses %s, which RE2 has not', (field, pattern) => {
    const changes = field === 'target_modules' ? {} : { target_modules: 'all-linear' };
    expect(() => targetsOf({ ...changes, [field]: pattern })).toThrow(`"${field}" has the pattern`);
    expect(() => targetsOf({ ...changes, [field]: pattern })).toThrow('list the modules instead');
  });

  it('refuses one that is too long', () => {
    expect(() => targetsOf({ target_modules: 'a'.repeat(5000) })).toThrow('5000 characters');
  });

  it('refuses patterns that would grow too large, alone or together', () => {
    expect(() => targetsOf({ target_modules: `(${'a'.repeat(300)}){1000}` })).toThrow('become too large');
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x{1000}${i}`, 1]));
    expect(() => targetsOf({ rank_pattern: many })).toThrow('"rank_pattern" has the pattern "x{1000}');
    const eachModule = Object.fromEntries(modules.map(({ name }) => [name, 2]));
    expect(targetsOf({ rank_pattern: eachModule, alpha_pattern: eachModule })).toHaveLength(oracle.layers * 2);
  });

  it('takes linear time for what a backtracking engine would take for ever', () => {
    expect(namesOf({ target_modules: '(.*.*.*.*.*.*.*.*){20}x' })).toEqual([]);
    expect(namesOf({ target_modules: '((([a-z.0-9_]+)+)+)+!' })).toEqual([]);
  });

  it('all-linear is written in any case and leaves out lm_head', () => {
    expect(namesOf({ target_modules: 'All-Linear' })).toHaveLength(oracle.layers * 7);
  });
});
