/**
 * ONNX models as values: the few constructors that building a graph needs, over the generated protobuf types.
 * Spec: https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from './onnx_pb.js';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  ValueInfoProtoSchema,
} from './onnx_pb.js';

export const DataType = {
  float32: TensorProto_DataType.FLOAT,
  int64: TensorProto_DataType.INT64,
  float16: TensorProto_DataType.FLOAT16,
  bfloat16: TensorProto_DataType.BFLOAT16,
  uint8: TensorProto_DataType.UINT8,
  bool: TensorProto_DataType.BOOL,
} as const;
export type DataType = (typeof DataType)[keyof typeof DataType];

/** The operators of onnxruntime that the standard doesn't have. */
export const MICROSOFT = 'com.microsoft';

/** IR version and operator set are the oldest that hold everything in use, so that older runtimes read the file too. */
const IR_VERSION = 10n;
const OPSET_VERSION = 21n;

/** A whole number becomes an INT attribute; wrap a FLOAT in `float`, a GRAPH in `graph`. */
export type Attribute = number | readonly number[] | { float: number } | { graph: GraphProto };

export function encodeModel(model: ModelProto): Uint8Array {
  return toBinary(ModelProtoSchema, model);
}

export function decodeModel(bytes: Uint8Array): ModelProto {
  return fromBinary(ModelProtoSchema, bytes);
}

export function onnxModel(graph: GraphProto, metadata: Readonly<Record<string, string>> = {}): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'espalier',
    opsetImport: [
      { domain: '', version: OPSET_VERSION },
      { domain: MICROSOFT, version: 1n },
    ],
    graph,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}

export interface NodeShape {
  opType: string;
  /** Unique in the graph; profiles and errors of the runtime show it. */
  name: string;
  /** Empty strings stand for optional inputs that are left out. */
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, Attribute>>;
  domain?: string;
}

export function onnxNode(shape: NodeShape): NodeProto {
  return create(NodeProtoSchema, {
    opType: shape.opType,
    name: shape.name,
    input: [...shape.inputs],
    output: [...shape.outputs],
    attribute: Object.entries(shape.attributes ?? {}).map(([name, value]) => onnxAttribute(name, value)),
    domain: shape.domain ?? '',
  });
}

function onnxAttribute(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  }
  if ('graph' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: value.graph });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
}

/** A graph input or output. A number is a fixed dimension, a string names one that is known at run time. */
export function valueInfo(name: string, elemType: DataType, shape: readonly (number | string)[]): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType,
          shape: {
            dim: shape.map((dim) => ({
              value:
                typeof dim === 'number'
                  ? { case: 'dimValue' as const, value: BigInt(dim) }
                  : { case: 'dimParam' as const, value: dim },
            })),
          },
        },
      },
    },
  });
}

/** An output of a branch, whose shape the runtime finds out. */
export function unshapedInfo(name: string, elemType: DataType): ValueInfoProto {
  return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value: { elemType } } } });
}
