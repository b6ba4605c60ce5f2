/** Initializers of an ONNX graph: small ones inside the file, weights as a byte range of another file. */
import { create } from '@bufbuild/protobuf';
import { DataType } from './model.js';
import type { TensorProto } from './onnx_pb.js';
import { TensorProto_DataLocation, TensorProtoSchema } from './onnx_pb.js';

/** `shape` defaults to one dimension; `[]` makes a scalar. */
export function float32Tensor(
  name: string,
  values: readonly number[] | Float32Array,
  shape: readonly number[] = [values.length],
): TensorProto {
  const rawData = new Uint8Array(values.length * 4);
  const view = new DataView(rawData.buffer);
  values.forEach((value, i) => view.setFloat32(i * 4, value, true));
  return create(TensorProtoSchema, { name, dataType: DataType.float32, dims: shape.map(BigInt), rawData });
}

/** `shape` defaults to one dimension; `[]` makes a scalar. */
export function int64Tensor(
  name: string,
  values: readonly number[],
  shape: readonly number[] = [values.length],
): TensorProto {
  const rawData = new Uint8Array(values.length * 8);
  const view = new DataView(rawData.buffer);
  values.forEach((value, i) => view.setBigInt64(i * 8, BigInt(value), true));
  return create(TensorProtoSchema, { name, dataType: DataType.int64, dims: shape.map(BigInt), rawData });
}

export interface ExternalRange {
  /** A file name in the folder of the model: the runtime refuses links and `..` that lead out of it. */
  location: string;
  /** Bytes from the start of the file. */
  offset: number;
  /** Bytes. */
  length: number;
  /** What else is to be said of it. */
  entries?: readonly (readonly [key: string, value: string])[];
}

export function externalTensor(
  name: string,
  dataType: DataType,
  shape: readonly number[],
  { location, offset, length, entries = [] }: ExternalRange,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: shape.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      { key: 'location', value: location },
      { key: 'offset', value: String(offset) },
      { key: 'length', value: String(length) },
      ...entries.map(([key, value]) => ({ key, value })),
    ],
  });
}

/** Null where the tensor's bytes are inside the graph. */
export function externalRange({ externalData }: TensorProto): Required<ExternalRange> | null {
  const entries = new Map(externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location');
  if (location === undefined) return null;
  const [offset, length] = [Number(entries.get('offset') ?? 0), Number(entries.get('length'))];
  for (const key of ['location', 'offset', 'length']) entries.delete(key);
  return { location, offset, length, entries: [...entries] };
}
