/**
 * The operators in use, one function each, named after it. Reference: https://onnx.ai/onnx/operators/ and, for those
 * marked `com.microsoft`, ContribOperators.md of onnxruntime.
 */
import { DataType, MICROSOFT } from '../formats/onnx/model.js';
import type { GraphBuilder, Value } from './graph-builder.js';

/** Elementwise, with broadcasting. */
export const Add = (g: GraphBuilder, a: Value, b: Value): Value => g.node('Add', [a, b]);

/** `name`: what the value is called, where it matters. */
export const Cast = (g: GraphBuilder, x: Value, to: DataType, name?: string): Value =>
  g.node('Cast', [x], { to }, '', name);

export const Concat = (g: GraphBuilder, values: readonly Value[], axis: number): Value =>
  g.node('Concat', values, { axis });

export const Cos = (g: GraphBuilder, x: Value): Value => g.node('Cos', [x]);

/** Repeats x until it has the shape. x: broadcasts to it, shape: [rank] */
export const Expand = (g: GraphBuilder, x: Value, shape: Value): Value => g.node('Expand', [x, shape]);

/** Rows of `data` along axis 0. data: [n, …], indices: [k] → [k, …] */
export const Gather = (g: GraphBuilder, data: Value, indices: Value): Value => g.node('Gather', [data, indices]);

/** a: [m, k] or, with `transA`, [k, m]; b: [k, n] or, with `transB`, [n, k]; c broadcasts to [m, n] → a·b + c: [m, n] */
export const Gemm = (
  g: GraphBuilder,
  a: Value,
  b: Value,
  { c, transA = false, transB = false }: { c?: Value; transA?: boolean; transB?: boolean } = {},
): Value => g.node('Gemm', c === undefined ? [a, b] : [a, b, c], { transA: transA ? 1 : 0, transB: transB ? 1 : 0 });

/** What one of two branches puts out, float32; only that one is run. condition: boolean, a scalar. */
export function If(
  g: GraphBuilder,
  condition: Value,
  then: () => readonly Value[],
  otherwise: () => readonly Value[],
): Value[] {
  const branches = {
    then_branch: { graph: g.branch(then, DataType.float32) },
    else_branch: { graph: g.branch(otherwise, DataType.float32) },
  };
  return g.nodes('If', [condition], branches.then_branch.graph.output.length, branches);
}

export const Exp = (g: GraphBuilder, x: Value): Value => g.node('Exp', [x]);

export const Identity = (g: GraphBuilder, x: Value): Value => g.node('Identity', [x]);

/** Elementwise, with broadcasting; a boolean. */
export const LessOrEqual = (g: GraphBuilder, a: Value, b: Value): Value => g.node('LessOrEqual', [a, b]);

/** a: [… , m, k], b: [… , k, n] → [… , m, n] */
export const MatMul = (g: GraphBuilder, a: Value, b: Value): Value => g.node('MatMul', [a, b]);

export interface NBitsShape {
  /** Bits of a number. */
  bits: 4 | 8;
  /** k */
  inFeatures: number;
  /** n */
  outFeatures: number;
  /** Numbers that share a scale. */
  blockSize: number;
}

/** Computes in whole numbers of 8 bits: each block of `a` is rounded to such numbers on the way. */
const INT8_ACCURACY = 4;

/**
 * `com.microsoft`: the product with a weight that is stored in blocks of whole numbers. a: [m, k], packed: [n, blocks,
 * bytes of a block], scales: [n, blocks], zeroPoints: [n, bytes of a row] → [m, n]
 */
export const MatMulNBits = (
  g: GraphBuilder,
  a: Value,
  { packed, scales, zeroPoints }: { packed: Value; scales: Value; zeroPoints?: Value },
  { bits, inFeatures, outFeatures, blockSize }: NBitsShape,
): Value =>
  g.node(
    'MatMulNBits',
    zeroPoints === undefined ? [a, packed, scales] : [a, packed, scales, zeroPoints],
    { K: inFeatures, N: outFeatures, bits, block_size: blockSize, accuracy_level: INT8_ACCURACY },
    MICROSOFT,
  );

/** Elementwise, with broadcasting. */
export const Mul = (g: GraphBuilder, a: Value, b: Value): Value => g.node('Mul', [a, b]);

export const Neg = (g: GraphBuilder, x: Value): Value => g.node('Neg', [x]);

export const Range = (g: GraphBuilder, start: Value, limit: Value, step: Value): Value =>
  g.node('Range', [start, limit, step]);

/** Appends `width` of `value` to the last of two axes. x: [n, w] → [n, w + width] */
export const PadEnd = (g: GraphBuilder, x: Value, width: number, value: number): Value =>
  g.node('Pad', [x, g.int64s(0, 0, 0, width), g.float32(value)]);

/** Over the last axis, which goes. */
export const ReduceMax = (g: GraphBuilder, x: Value): Value => g.node('ReduceMax', [x, g.int64s(-1)], { keepdims: 0 });

/** Over the last axis, which goes. */
export const ReduceSum = (g: GraphBuilder, x: Value): Value => g.node('ReduceSum', [x, g.int64s(-1)], { keepdims: 0 });

/** In `shape`, 0 keeps a dimension and -1 takes what is left. */
export const Reshape = (g: GraphBuilder, x: Value, shape: Value): Value => g.node('Reshape', [x, shape]);

/**
 * `com.microsoft`: rotates the two halves of each head (not interleaved). x: [B, heads, T, hd], positions: [B, T] are
 * rows of the caches, cos and sin: [rows, hd/2] → [B, heads, T, hd]
 */
export const RotaryEmbedding = (g: GraphBuilder, x: Value, positions: Value, cos: Value, sin: Value): Value =>
  g.node('RotaryEmbedding', [x, positions, cos, sin], { interleaved: 0 }, MICROSOFT);

/** A copy of `data` with the rows `indices` replaced. data: [n, w], indices: [k, 1], updates: [k, w] → [n, w] */
export const ScatterND = (g: GraphBuilder, data: Value, indices: Value, updates: Value): Value =>
  g.node('ScatterND', [data, indices, updates]);

/** The dimensions from `start` to before `end`. */
export const Shape = (g: GraphBuilder, x: Value, start: number, end: number): Value =>
  g.node('Shape', [x], { start, end });

export const Sigmoid = (g: GraphBuilder, x: Value): Value => g.node('Sigmoid', [x]);

/** RMS norm over the last axis; onnxruntime's, in the default domain. */
export const SimplifiedLayerNormalization = (g: GraphBuilder, x: Value, weight: Value, epsilon: number): Value =>
  g.node('SimplifiedLayerNormalization', [x, weight], { axis: -1, epsilon: { float: epsilon } });

/** `com.microsoft`: the RMS norm of a + b over the last axis, and a + b. a, b: [n, size] → [n, size] each */
export const SkipSimplifiedLayerNormalization = (
  g: GraphBuilder,
  a: Value,
  b: Value,
  weight: Value,
  epsilon: number,
): [Value, Value] => {
  const attributes = { epsilon: { float: epsilon } };
  const [normed, sum] = g.nodes('SkipSimplifiedLayerNormalization', [a, b, weight], [0, 3], attributes, MICROSOFT);
  return [normed, sum] as [Value, Value];
};

export const Sin = (g: GraphBuilder, x: Value): Value => g.node('Sin', [x]);

/** The number of elements, a scalar. */
export const Size = (g: GraphBuilder, x: Value): Value => g.node('Size', [x]);

/** Over the last axis. */
export const Softmax = (g: GraphBuilder, x: Value): Value => g.node('Softmax', [x], { axis: -1 });

/** Into parts, two if nothing else is said, whose sizes are given at run time. sizes: [parts] */
export function Split(g: GraphBuilder, x: Value, sizes: Value, axis: number): [Value, Value];
export function Split(g: GraphBuilder, x: Value, sizes: Value, axis: number, parts: number): Value[];
export function Split(g: GraphBuilder, x: Value, sizes: Value, axis: number, parts = 2): Value[] {
  return g.nodes('Split', [x, sizes], parts, { axis });
}

/** Elementwise, with broadcasting. */
export const Sub = (g: GraphBuilder, a: Value, b: Value): Value => g.node('Sub', [a, b]);

export const Transpose = (g: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  g.node('Transpose', [x], { perm });

/** Elementwise, with broadcasting. condition: boolean. */
export const Where = (g: GraphBuilder, condition: Value, then: Value, otherwise: Value): Value =>
  g.node('Where', [condition, then, otherwise]);
