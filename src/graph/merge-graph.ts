/**
 * W + Bᵀ A: the graph that merges adapters into a weight, or into some rows of one.
 *
 * | input | type | shape |
 * | --- | --- | --- |
 * | weight | float32 | [rows, in], rows of the base weight [out, in] |
 * | a | float32 | [R, in], the adapters of the path one below the other |
 * | b | float32 | [R, rows], scale and request weight folded in, the columns of those rows |
 *
 * | output | type | shape |
 * | --- | --- | --- |
 * | merged | float32 | [rows, in] |
 */
import { DataType, encodeModel } from '../formats/onnx/model.js';
import { GraphBuilder } from './graph-builder.js';
import { Gemm } from './ops.js';

export const BASE_WEIGHT = 'weight';
export const MERGE_A = 'a';
export const MERGE_B = 'b';
export const MERGED_WEIGHT = 'merged';

export function encodeMergeGraph(): Uint8Array {
  const g = new GraphBuilder();
  const weight = g.input(BASE_WEIGHT, DataType.float32, ['rows', 'in']);
  const a = g.input(MERGE_A, DataType.float32, ['R', 'in']);
  const b = g.input(MERGE_B, DataType.float32, ['R', 'rows']);
  g.output(MERGED_WEIGHT, Gemm(g, b, a, { transA: true, c: weight }), DataType.float32, ['rows', 'in']);
  return encodeModel(g.build('merge'));
}
