import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { parseModelConfig } from '../../../src/formats/checkpoint/parse-model-config.js';
import { TINY } from './support/tiny-model.js';

const parse = (changes: Record<string, unknown> = {}) => parseModelConfig({ ...TINY, ...changes });

/** As Qwen2.5-0.5B, SmolLM2-135M, Llama-3.2-1B, Mistral-7B-v0.1 and Qwen3-0.6B have it. */
const KNOWN = {
  qwen2: {
    architectures: ['Qwen2ForCausalLM'],
    attention_dropout: 0.0,
    bos_token_id: 151643,
    eos_token_id: 151643,
    hidden_act: 'silu',
    hidden_size: 896,
    initializer_range: 0.02,
    intermediate_size: 4864,
    max_position_embeddings: 32768,
    max_window_layers: 24,
    model_type: 'qwen2',
    num_attention_heads: 14,
    num_hidden_layers: 24,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000.0,
    sliding_window: 32768,
    tie_word_embeddings: true,
    torch_dtype: 'bfloat16',
    use_sliding_window: false,
    vocab_size: 151936,
  },
  mistral: {
    architectures: ['MistralForCausalLM'],
    hidden_act: 'silu',
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 32768,
    model_type: 'mistral',
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_theta: 10000.0,
    sliding_window: 4096,
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  qwen3: {
    architectures: ['Qwen3ForCausalLM'],
    attention_bias: false,
    head_dim: 128,
    hidden_act: 'silu',
    hidden_size: 1024,
    intermediate_size: 3072,
    max_position_embeddings: 40960,
    max_window_layers: 28,
    model_type: 'qwen3',
    num_attention_heads: 16,
    num_hidden_layers: 28,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 1000000,
    sliding_window: null,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 151936,
  },
};

describe('parseModelConfig', () => {
  it('reads the fields of llama', () => {
    expect(parse()).toEqual({
      modelType: 'llama',
      vocabSize: 12,
      hiddenSize: 8,
      intermediateSize: 10,
      layers: 2,
      heads: 2,
      kvHeads: 1,
      headDim: 4,
      rmsNormEps: 1e-5,
      rope: { theta: 10000, scaling: { type: 'default' } },
      maxPositions: 64,
      tiedEmbeddings: false,
      bias: { qkv: false, o: false, mlp: false },
      qkNorm: false,
    });
  });

  it('reads models as they are published', () => {
    expect(parseModelConfig(KNOWN.qwen2)).toMatchObject({
      headDim: 64,
      kvHeads: 2,
      maxPositions: 32768,
      rope: { theta: 1e6 },
      tiedEmbeddings: true,
      bias: { qkv: true, o: false, mlp: false },
    });
    expect(parseModelConfig(KNOWN.mistral)).toMatchObject({ headDim: 128, maxPositions: 4096, qkNorm: false });
    expect(parseModelConfig(KNOWN.qwen3)).toMatchObject({ headDim: 128, maxPositions: 40960, qkNorm: true });
  });

  it("has transformers' defaults", () => {
    const { num_key_value_heads, max_position_embeddings, rms_norm_eps, tie_word_embeddings, ...bare } = TINY;
    expect([num_key_value_heads, max_position_embeddings, rms_norm_eps, tie_word_embeddings]).not.toContain(undefined);
    const defaults = { rmsNormEps: 1e-6, tiedEmbeddings: false, rope: { theta: 10000, scaling: { type: 'default' } } };
    expect(parseModelConfig(bare)).toMatchObject({ ...defaults, kvHeads: 2, maxPositions: 2048 });
    const wide = { ...bare, num_attention_heads: 32, hidden_size: 128 };
    expect(parseModelConfig({ ...wide, model_type: 'mistral' })).toMatchObject({ kvHeads: 8, maxPositions: 4096 });
    expect(parseModelConfig({ ...wide, model_type: 'qwen2' })).toMatchObject({ kvHeads: 32, maxPositions: 32768 });
    expect(parseModelConfig({ ...wide, model_type: 'qwen3' })).toMatchObject({ headDim: 128 });
    expect(parseModelConfig({ ...wide, model_type: 'mistral', num_key_value_heads: null }).kvHeads).toBe(32);
  });

  it('knows which linears have biases', () => {
    expect(parse({ attention_bias: true }).bias).toEqual({ qkv: true, o: true, mlp: false });
    expect(parse({ mlp_bias: true }).bias).toEqual({ qkv: false, o: false, mlp: true });
    expect(parse({ model_type: 'qwen2', attention_bias: false }).bias).toEqual({ qkv: true, o: false, mlp: false });
    expect(parse({ model_type: 'qwen3', attention_bias: true }).bias).toEqual({ qkv: true, o: true, mlp: false });
    expect(parse({ model_type: 'mistral', attention_bias: true }).bias.qkv).toBe(false);
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['mistral, active', { model_type: 'mistral', sliding_window: 16 }, 16],
    ['mistral, wider than the context', { model_type: 'mistral', sliding_window: 100 }, 64],
    ['mistral, off', { model_type: 'mistral', sliding_window: null }, 64],
    ['qwen2, off', { model_type: 'qwen2', sliding_window: 16 }, 64],
    ['qwen2, active', { model_type: 'qwen2', sliding_window: 16, use_sliding_window: true, max_window_layers: 1 }, 16],
    [
      'qwen2, from a layer on that it has not',
      { model_type: 'qwen2', sliding_window: 16, use_sliding_window: true },
      64,
    ],
    [
      'qwen2, by layer_types',
      {
        model_type: 'qwen2',
        sliding_window: 16,
        use_sliding_window: true,
        layer_types: ['full_attention', 'sliding_attention'],
      },
      16,
    ],
    ['qwen3, layer_types without it', { model_type: 'qwen3', layer_types: ['full_attention', 'full_attention'] }, 64],
    ['llama has none', { sliding_window: 16 }, 64],
  ])('caps the length to the sliding window: %s', (_, changes, maxPositions) => {
    expect(parse(changes).maxPositions).toBe(maxPositions);
  });

  const llama3 = {
    factor: 32.0,
    high_freq_factor: 4.0,
    low_freq_factor: 1.0,
    original_max_position_embeddings: 8192,
    rope_type: 'llama3',
  };
  it.each<[string, Record<string, unknown>, unknown]>([
    ['theta, old form', { rope_theta: 5e5 }, { theta: 5e5, scaling: { type: 'default' } }],
    [
      'theta, new form',
      { rope_parameters: { rope_theta: 5e5, rope_type: 'default' } },
      { theta: 5e5, scaling: { type: 'default' } },
    ],
    [
      'the new form goes before the old theta',
      { rope_theta: 1, rope_parameters: { rope_theta: 2 } },
      { theta: 2, scaling: { type: 'default' } },
    ],
    [
      'linear, oldest form',
      { rope_scaling: { type: 'linear', factor: 2 } },
      { theta: 10000, scaling: { type: 'linear', factor: 2 } },
    ],
    [
      'linear, new form',
      { rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 100 } },
      { theta: 100, scaling: { type: 'linear', factor: 4 } },
    ],
    [
      'llama3, old form',
      { rope_theta: 5e5, rope_scaling: llama3 },
      {
        theta: 5e5,
        scaling: { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
      },
    ],
    [
      'llama3, new form, original length from the outer field',
      { rope_parameters: { ...llama3, rope_theta: 7, original_max_position_embeddings: null } },
      {
        theta: 7,
        scaling: { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 64 },
      },
    ],
    ['empty objects', { rope_scaling: {}, rope_parameters: null }, { theta: 10000, scaling: { type: 'default' } }],
  ])('reads rope: %s', (_, changes, rope) => {
    expect(parse(changes).rope).toEqual(rope);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['hidden_act', { hidden_act: 'gelu' }, '"hidden_act" is "gelu"'],
    ['quantization_config', { quantization_config: { bits: 4 } }, '"quantization_config" says'],
    ['auto_map', { auto_map: { AutoModel: 'x' } }, '"auto_map" says'],
    ['is_causal', { is_causal: false }, '"is_causal" turns'],
    ['per_layer_config', { per_layer_config: { 0: {} } }, '"per_layer_config" gives'],
    ['partial rotary', { partial_rotary_factor: 0.5 }, '"partial_rotary_factor" is 0.5'],
    ['partial rotary inside', { rope_parameters: { partial_rotary_factor: 0.5 } }, '"partial_rotary_factor" is 0.5'],
    [
      'yarn',
      { rope_scaling: { rope_type: 'yarn', factor: 2, beta_fast: 1 } },
      '"rope_scaling" has the rope type "yarn"',
    ],
    ['dynamic', { rope_parameters: { rope_type: 'dynamic' } }, '"rope_parameters" has the rope type "dynamic"'],
    ['a rope type that is no text', { rope_scaling: { type: 3 } }, 'the rope type "3"'],
    ['rope by layer type', { rope_parameters: { full_attention: { rope_theta: 1 } } }, '"rope_parameters" is wrong'],
    ['linear without factor', { rope_scaling: { type: 'linear' } }, '"rope_scaling.factor" is missing'],
    ['llama3, incomplete', { rope_scaling: { ...llama3, low_freq_factor: null } }, '"rope_scaling.low_freq_factor"'],
    ['llama3, factors swapped', { rope_scaling: { ...llama3, low_freq_factor: 9 } }, 'not larger than low_freq_factor'],
    ['a negative theta', { rope_theta: -1 }, '"rope_theta" is wrong'],
    ['rope that is a list', { rope_scaling: [1] }, '"rope_'],
    ['heads that do not divide', { num_key_value_heads: 3 }, '"num_key_value_heads" is 3'],
    ['an odd head', { head_dim: 3 }, '"head_dim" is 3'],
    ['a size that is text', { hidden_size: '8' }, '"hidden_size" is wrong'],
    ['a missing size', { vocab_size: undefined }, '"vocab_size" is wrong'],
    ['a size with a fraction', { intermediate_size: 1.5 }, '"intermediate_size" is wrong'],
    ['no layers', { num_hidden_layers: 0 }, '"num_hidden_layers" is wrong'],
    ['a head without language', { architectures: ['LlamaForSequenceClassification'] }, 'ForSequenceClassification'],
    ['an unknown layer type', { model_type: 'qwen3', layer_types: ['linear_attention'] }, '"linear_attention"'],
    ['a window that is off', { model_type: 'qwen2', layer_types: ['sliding_attention'] }, 'use_sliding_window is off'],
    ['no model_type', { model_type: undefined }, '"model_type" is missing'],
  ])('refuses %s by name', (_, changes, message) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code: 'unsupported_config' }));
    expect(() => parse(changes)).toThrow(message);
  });

  it('refuses other architectures with the list of those that it knows', () => {
    expect(() => parse({ model_type: 'gemma3' })).toThrow(
      expect.objectContaining({ code: 'unsupported_architecture', details: expect.anything() }),
    );
    expect(() => parse({ model_type: 'gemma3' })).toThrow('llama, mistral, qwen2, qwen3');
  });

  it('any JSON is read or refused with a code', () => {
    const field = fc.constantFrom(...Object.keys(TINY), 'rope_scaling', 'rope_parameters', 'head_dim', 'layer_types');
    fc.assert(
      fc.property(fc.dictionary(field, fc.jsonValue({ maxDepth: 2 })), fc.boolean(), (changes, whole) => {
        try {
          parseModelConfig(whole ? { ...TINY, ...changes } : changes);
        } catch (error) {
          expect(error).toBeInstanceOf(EspalierError);
        }
      }),
      { numRuns: 500 },
    );
    for (const value of [null, 1, 'x', []]) expect(() => parseModelConfig(value)).toThrow('not a JSON object');
  });
});
