/**
 * Graphs of one operation each, for tensors that stay in a device's memory: what `new Float32Array`, `set`, `slice` and
 * `copyWithin` do for arrays. All are [n, w] or of any rank where nothing is said; rows are taken along axis 0.
 */
import { DataType, encodeModel } from '../formats/onnx/model.js';
import { GraphBuilder, type Value } from './graph-builder.js';
import { Concat, Expand, Gather, Identity, ScatterND } from './ops.js';

export const TENSOR = 'tensor';
export const ROWS = 'rows';
export const LINES = 'lines';
export const SHAPE = 'shape';
export const RESULT = 'result';

type Type = (typeof DataType)[keyof typeof DataType];

function oneResult(name: string, rank: 1 | 2, type: Type, build: (g: GraphBuilder) => Value): Uint8Array {
  const g = new GraphBuilder();
  g.output(RESULT, build(g), type, rank === 1 ? ['n'] : ['n', 'w']);
  return encodeModel(g.build(name));
}

/** tensor → the same: moves it from one memory to another. */
export const encodeCopyGraph = (type: Type = DataType.float32, rank: 1 | 2 = 2): Uint8Array =>
  oneResult('copy', rank, type, (g) => Identity(g, g.input(TENSOR, type, rank === 1 ? ['n'] : ['n', 'w'])));

/** shape: [2] → zeros */
export const encodeZerosGraph = (): Uint8Array =>
  oneResult('zeros', 2, DataType.float32, (g) => Expand(g, g.float32(0), g.input(SHAPE, DataType.int64, [2])));

/** tensor: [n, w], shape: [2] = [m, w] → [n + m, w], zeros behind the tensor */
export const encodeExtendGraph = (): Uint8Array =>
  oneResult('extend', 2, DataType.float32, (g) => {
    const tensor = g.input(TENSOR, DataType.float32, ['n', 'w']);
    return Concat(g, [tensor, Expand(g, g.float32(0), g.input(SHAPE, DataType.int64, [2]))], 0);
  });

/** tensor: [n, w], lines: [k] → [k, w] */
export const encodeSelectGraph = (): Uint8Array =>
  oneResult('select', 2, DataType.float32, (g) =>
    Gather(g, g.input(TENSOR, DataType.float32, ['n', 'w']), g.input(LINES, DataType.int64, ['k'])),
  );

/** tensor: [n, w], lines: [k, 1], rows: [k, w] → the tensor with those lines replaced; fetch it as the tensor itself. */
export const encodeReplaceGraph = (): Uint8Array =>
  oneResult('replace', 2, DataType.float32, (g) => {
    const tensor = g.input(TENSOR, DataType.float32, ['n', 'w']);
    const lines = g.input(LINES, DataType.int64, ['k', 1]);
    return ScatterND(g, tensor, lines, g.input(ROWS, DataType.float32, ['k', 'w']));
  });

/** The rows of a tensor that `encodeReplaceAllGraph` puts in, and the tensor as it is then. */
export const rowsFor = (name: string): string => `rows.${name}`;
export const replaced = (name: string): string => `replaced.${name}`;
export const selected = (name: string): string => `selected.${name}`;

/** `encodeSelectGraph` for several tensors at once, the same lines of each: {name} → selected.{name} */
export function encodeSelectAllGraph(widths: ReadonlyMap<string, number>): Uint8Array {
  const g = new GraphBuilder();
  const lines = g.input(LINES, DataType.int64, ['k']);
  for (const [name, width] of widths) {
    const tensor = g.input(name, DataType.float32, ['n', width]);
    g.output(selected(name), Gather(g, tensor, lines), DataType.float32, ['k', width]);
  }
  return encodeModel(g.build('select'));
}

/** `encodeReplaceGraph` for several tensors at once: {name}, rows.{name} → replaced.{name} */
export function encodeReplaceAllGraph(widths: ReadonlyMap<string, number>): Uint8Array {
  const g = new GraphBuilder();
  const lines = g.input(LINES, DataType.int64, ['k', 1]);
  for (const [name, width] of widths) {
    const tensor = g.input(name, DataType.float32, ['n', width]);
    const rows = g.input(rowsFor(name), DataType.float32, ['k', width]);
    g.output(replaced(name), ScatterND(g, tensor, lines, rows), DataType.float32, ['n', width]);
  }
  return encodeModel(g.build('replace'));
}
