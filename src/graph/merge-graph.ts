/**
 * W + Bᵀ A: the graph that merges adapters into a weight, or into some rows of one.
 *
 * The sum is taken in float32. Of a float16 weight it is rounded once, at the end.
 *
 * | input | type | shape |
 * | --- | --- | --- |
 * | weight | float32 or float16 | [rows, in], rows of the base weight [out, in] |
 * | a | float32 | [R, in], the adapters of the path one below the other |
 * | b | float32 | [R, rows], scale and request weight folded in, the columns of those rows |
 *
 * | output | type | shape |
 * | --- | --- | --- |
 * | merged | as the weight | [rows, in] |
 */
import { DataType, encodeModel } from '../formats/onnx/model.js';
import { GraphBuilder } from './graph-builder.js';
import type { FloatType } from './graph-options.js';
import { Narrow } from './narrow.js';
import { Gemm } from './ops.js';

export const BASE_WEIGHT = 'weight';
export const MERGE_A = 'a';
export const MERGE_B = 'b';
export const MERGED_WEIGHT = 'merged';

export function encodeMergeGraph(floatType: FloatType = 'float32'): Uint8Array {
  const g = new GraphBuilder();
  const narrow = new Narrow(g, floatType);
  const weight = g.input(BASE_WEIGHT, narrow.type, ['rows', 'in']);
  const a = g.input(MERGE_A, DataType.float32, ['R', 'in']);
  const b = g.input(MERGE_B, DataType.float32, ['R', 'rows']);
  const sum = Gemm(g, b, a, { transA: true, c: narrow.up(weight) });
  g.output(MERGED_WEIGHT, narrow.down(sum), narrow.type, ['rows', 'in']);
  return encodeModel(g.build('merge'));
}
