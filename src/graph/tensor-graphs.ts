/**
 * Graphs of one operation each, for tensors that stay in a device's memory: what `new Float32Array`, `set`, `slice` and
 * `copyWithin` do for arrays. All are [n, w] or of any rank where nothing is said; rows are taken along axis 0.
 */
import { DataType, encodeModel } from '../formats/onnx/model.js';
import { GraphBuilder, type Value } from './graph-builder.js';
import type { FloatType } from './graph-options.js';
import { Cast, Concat, Expand, Gather, Gemm, Identity, Reshape, ScatterND } from './ops.js';

export const TENSOR = 'tensor';
export const ROWS = 'rows';
export const LINES = 'lines';
export const SHAPE = 'shape';
export const RESULT = 'result';

function oneResult(name: string, type: DataType, build: (g: GraphBuilder) => Value, rank = 2): Uint8Array {
  const g = new GraphBuilder();
  g.output(RESULT, build(g), type, dimensions(rank));
  return encodeModel(g.build(name));
}

const dimensions = (rank: number): string[] => Array.from({ length: rank }, (_, axis) => `d${axis}`);

/** tensor → the same: moves it from one memory to another. */
export const encodeCopyGraph = (type: FloatType | 'uint8' = 'float32', rank = 2): Uint8Array =>
  oneResult(
    'copy',
    DataType[type],
    (g) => {
      const tensor = g.input(TENSOR, DataType[type], dimensions(rank));
      // The WebGPU provider has no Identity for bytes.
      return type === 'uint8' ? Reshape(g, tensor, g.int64s(...Array<number>(rank).fill(0))) : Identity(g, tensor);
    },
    rank,
  );

/** tensor: [n, w] → the same in float32 */
export const encodeWidenGraph = (): Uint8Array =>
  oneResult('widen', DataType.float32, (g) => Cast(g, g.input(TENSOR, DataType.float16, ['n', 'w']), DataType.float32));

/** shape: [2] → zeros */
export const encodeZerosGraph = (type: FloatType = 'float32'): Uint8Array =>
  oneResult('zeros', DataType[type], (g) => zeros(g, type));

/** tensor: [n, w], shape: [2] = [m, w] → [n + m, w], zeros behind the tensor */
export const encodeExtendGraph = (type: FloatType = 'float32'): Uint8Array =>
  oneResult('extend', DataType[type], (g) =>
    Concat(g, [g.input(TENSOR, DataType[type], ['n', 'w']), zeros(g, type)], 0),
  );

function zeros(g: GraphBuilder, type: FloatType): Value {
  const zero = type === 'float16' ? Cast(g, g.float32(0), DataType.float16) : g.float32(0);
  return Expand(g, zero, g.input(SHAPE, DataType.int64, [2]));
}

/** tensor: [n, w], lines: [k] → [k, w] */
export const encodeSelectGraph = (type: FloatType = 'float32'): Uint8Array =>
  oneResult('select', DataType[type], (g) =>
    Gather(g, g.input(TENSOR, DataType[type], ['n', 'w']), g.input(LINES, DataType.int64, ['k'])),
  );

/** tensor: [n, w], lines: [k, 1], rows: [k, w] → the tensor with those lines replaced; fetch it as the tensor itself. */
export const encodeReplaceGraph = (type: FloatType = 'float32'): Uint8Array =>
  oneResult('replace', DataType[type], (g) => {
    const tensor = g.input(TENSOR, DataType[type], ['n', 'w']);
    const lines = g.input(LINES, DataType.int64, ['k', 1]);
    return ScatterND(g, tensor, lines, g.input(ROWS, DataType[type], ['k', 'w']));
  });

/** tensor: [n, w], rows: [k, w], both float32 → rows · tensorᵀ [k, n], computed in float16: whether the device can. */
export const encodeFloat16Graph = (): Uint8Array =>
  oneResult('float16', DataType.float32, (g) => {
    const [tensor, rows] = [TENSOR, ROWS].map((name) =>
      Cast(g, g.input(name, DataType.float32, [`${name} n`, 'w']), DataType.float16),
    ) as [Value, Value];
    return Cast(g, Gemm(g, rows, tensor, { transB: true }), DataType.float32);
  });

/** The rows of a tensor that `encodeReplaceAllGraph` puts in, and the tensor as it is then. */
export const rowsFor = (name: string): string => `rows.${name}`;
export const replaced = (name: string): string => `replaced.${name}`;
export const selected = (name: string): string => `selected.${name}`;

/** `encodeSelectGraph` for several tensors at once, the same lines of each: {name} → selected.{name} */
export function encodeSelectAllGraph(widths: ReadonlyMap<string, number>, type: FloatType = 'float32'): Uint8Array {
  const g = new GraphBuilder();
  const lines = g.input(LINES, DataType.int64, ['k']);
  for (const [name, width] of widths) {
    const tensor = g.input(name, DataType[type], ['n', width]);
    g.output(selected(name), Gather(g, tensor, lines), DataType[type], ['k', width]);
  }
  return encodeModel(g.build('select'));
}

/** `encodeReplaceGraph` for several tensors at once: {name}, rows.{name} → replaced.{name} */
export function encodeReplaceAllGraph(widths: ReadonlyMap<string, number>, type: FloatType = 'float32'): Uint8Array {
  const g = new GraphBuilder();
  const lines = g.input(LINES, DataType.int64, ['k', 1]);
  for (const [name, width] of widths) {
    const tensor = g.input(name, DataType[type], ['n', width]);
    const rows = g.input(rowsFor(name), DataType[type], ['k', width]);
    g.output(replaced(name), ScatterND(g, tensor, lines, rows), DataType[type], ['n', width]);
  }
  return encodeModel(g.build('replace'));
}
