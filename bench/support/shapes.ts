/** Llama shapes to measure on. Weights are random, since nothing that is measured depends on them. */
import { choice } from './measure.js';

export interface Shape {
  name: string;
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
}

const SMOLLM = { hidden: 576, intermediate: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64 };

export const SHAPES = {
  /** SmolLM-135M with a small vocabulary: lm_head, which has no adapter, weighs little. 110.9M parameters. */
  '111m': { name: '111m', ...SMOLLM, vocab: 8192 },
  /** A fifth of its layers, 26.0M parameters: for what needs many tokens. */
  '26m': { name: '26m', ...SMOLLM, layers: 6, vocab: 8192 },
  /** SmolLM-135M: 134.5M parameters. */
  '135m': { name: '135m', ...SMOLLM, vocab: 49152 },
  /** Wide and shallow, 209M parameters: what the layers of a 1B model are like. */
  wide: { name: 'wide', hidden: 2048, intermediate: 5632, layers: 4, heads: 32, kvHeads: 4, headDim: 64, vocab: 8192 },
  /** For trying a benchmark out: its figures mean nothing. */
  tiny: { name: 'tiny', hidden: 64, intermediate: 128, layers: 2, heads: 4, kvHeads: 2, headDim: 16, vocab: 512 },
} as const satisfies Record<string, Shape>;

/** `--shape=111m` */
export function shapeFlag(fallback: keyof typeof SHAPES = '111m'): Shape {
  return SHAPES[choice('shape', Object.keys(SHAPES) as (keyof typeof SHAPES)[], fallback)];
}

/** Of the embedding, which is also lm_head, the layers and the norms. */
export function parameters(shape: Shape): number {
  const { hidden, intermediate, layers, heads, kvHeads, headDim, vocab } = shape;
  const attention = 2 * hidden * heads * headDim + 2 * hidden * kvHeads * headDim;
  return vocab * hidden + layers * (attention + 3 * hidden * intermediate + 2 * hidden) + hidden;
}

export function describeShape(shape: Shape): string {
  const { name, hidden, layers, heads, kvHeads, headDim, intermediate, vocab } = shape;
  return (
    `${name}: ${(parameters(shape) / 1e6).toFixed(1)}M parameters, ${hidden} wide, ${layers} layers, ` +
    `${heads}/${kvHeads} heads of ${headDim}, FFN ${intermediate}, vocabulary ${vocab}`
  );
}
