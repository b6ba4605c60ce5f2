/**
 * Rotary position embedding (arXiv 2104.09864) with the scalings of transformers' `modeling_rope_utils.py`.
 *
 * The caches hold one row per token of the batch instead of one per possible position: cos and sin are computed in the
 * graph, once a run for all layers, from float32 positions as transformers does. So a context of 128k costs nothing.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { DataType } from '../formats/onnx/model.js';
import { float32Tensor } from '../formats/onnx/tensor.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import { Cast, Cos, Expand, Mul, Range, Reshape, RotaryEmbedding, Shape, Sin, Size } from './ops.js';
import { ROTARY_COS, ROTARY_SIN } from './pool-ports.js';

/** Radians a position, for each pair of a head's elements: [hd/2]. Rounded to float32 at each step, as torch does. */
export function inverseFrequencies({ headDim, rope }: Pick<ModelConfig, 'headDim' | 'rope'>): Float32Array {
  const { theta, scaling } = rope;
  const frequencies = new Float32Array(headDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    frequencies[i] = 1 / Math.fround(theta ** Math.fround((2 * i) / headDim));
  }
  switch (scaling.type) {
    case 'default':
      return frequencies;
    case 'linear':
      return frequencies.map((frequency) => frequency / scaling.factor);
    case 'llama3': {
      const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
      return frequencies.map((frequency) => {
        const wavelength = (2 * Math.PI) / frequency;
        if (wavelength < originalMaxPositions / highFreqFactor) return frequency;
        if (wavelength > originalMaxPositions / lowFreqFactor) return frequency / factor;
        const smooth = (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
        return ((1 - smooth) * frequency) / factor + smooth * frequency;
      });
    }
  }
}

export interface Rotary {
  /**
   * Rotates and multiplies by 1/√hd, so that the scores need no scaling. q: [B, heads, T, hd] or, where several queries of a
   * token stand in a row, [B, kv, queries, hd] → same
   */
  query: (q: Value) => Value;
  /** k: [B, kv, T, hd] → same */
  key: (k: Value) => Value;
}

/** positionIds: [B, T]; T is 1 where there are several queries a token. */
export function rotaryEmbedding(g: GraphBuilder, config: ModelConfig, positionIds: Value, queries = 1): Rotary {
  return g.within('rotary', () => {
    const frequencies = float32Tensor('rotary.frequencies', inverseFrequencies(config), [1, config.headDim / 2]);
    const positions = Cast(g, Reshape(g, positionIds, g.int64s(-1, 1)), DataType.float32);
    const angles = Mul(g, positions, g.initializer(frequencies));
    const cos = Cos(g, angles);
    const sin = Sin(g, angles);
    const scale = g.float32(1 / Math.sqrt(config.headDim));
    const rowsOf = (ids: Value): Value =>
      Reshape(g, Range(g, g.int64(0), Size(g, ids), g.int64(1)), Shape(g, ids, 0, 2));
    const perQuery = (table: Value): Value => {
      const scaled = Mul(g, table, scale);
      if (queries === 1) return scaled;
      const repeated = Expand(g, Reshape(g, scaled, g.int64s(-1, 1, config.headDim / 2)), g.int64s(1, queries, 1));
      return Reshape(g, repeated, g.int64s(-1, config.headDim / 2));
    };
    const rows = rowsOf(positionIds);
    const queryRows = queries === 1 ? rows : rowsOf(Expand(g, positionIds, g.int64s(1, queries)));
    const [queryCos, querySin] = [perQuery(cos), perQuery(sin)];
    return {
      query: (q) => RotaryEmbedding(g, q, queryRows, queryCos, querySin),
      key: (k) => RotaryEmbedding(g, k, rows, cos, sin),
    };
  });
}

/**
 * The same from tables of every position, which are fed: a GPU's own sine is exact only near zero.
 * positionIds: [B, T], rows of the tables, cos and sin: [P, hd/2]
 */
export function rotaryFromTables(
  g: GraphBuilder,
  { headDim }: Pick<ModelConfig, 'headDim'>,
  positionIds: Value,
): Rotary {
  const cos = g.input(ROTARY_COS, DataType.float32, ['P', headDim / 2]);
  const sin = g.input(ROTARY_SIN, DataType.float32, ['P', headDim / 2]);
  return {
    query: (q) => Mul(g, RotaryEmbedding(g, q, positionIds, cos, sin), g.float32(1 / Math.sqrt(headDim))),
    key: (k) => RotaryEmbedding(g, k, positionIds, cos, sin),
  };
}

/** What `rotaryFromTables` is fed: [positions, hd/2] each. Angles are rounded to float32, as torch does. */
export function rotaryTables(
  config: Pick<ModelConfig, 'headDim' | 'rope'>,
  positions: number,
): { cos: Float32Array<ArrayBuffer>; sin: Float32Array<ArrayBuffer> } {
  const frequencies = inverseFrequencies(config);
  const cos = new Float32Array(positions * frequencies.length);
  const sin = new Float32Array(cos.length);
  for (let position = 0, i = 0; position < positions; position++) {
    for (const frequency of frequencies) {
      const angle = Math.fround(position * frequency);
      cos[i] = Math.cos(angle);
      sin[i++] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
