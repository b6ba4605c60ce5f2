/**
 * The checkpoint's tensors as initializers that point into its files, or as inputs, checked against what the config says.
 */
import { MissingTensorError, TensorShapeError } from '../errors/models.js';
import { DataType } from '../formats/onnx/model.js';
import {
  isQuantizedIn,
  isScalesName,
  packedName,
  scalesName,
  storedScheme,
  zeroPointsName,
} from '../formats/quantization/quantized-file.js';
import { sizesOf } from '../formats/quantization/scheme.js';
import { externalTensor } from '../formats/onnx/tensor.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import type { FloatType, GraphOptions } from './graph-options.js';
import { Cast } from './ops.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';

const ONNX_TYPES = { F32: DataType.float32, F16: DataType.float16, BF16: DataType.bfloat16, U8: DataType.uint8 };

/** In which type a tensor is fed: matrices in that of products, vectors in float32, quantised weights as they are stored. */
export function inputType(
  name: string,
  { dtype, shape }: Pick<TensorLocation, 'dtype' | 'shape'>,
  floatType: FloatType,
): FloatType | 'uint8' {
  if (dtype === 'U8') return 'uint8';
  return shape.length < 2 || isScalesName(name) ? 'float32' : floatType;
}

export interface QuantizedValues {
  bits: 4 | 8;
  /** [out, blocks, 4·bits] bytes */
  packed: Value;
  /** [out, blocks] float32 */
  scales: Value;
  /** [out, ⌈blocks·bits/8⌉] bytes; undefined where the middle stands for zero. */
  zeroPoints?: Value;
}

/** The tensor as float32, where it is stored in another type. */
const widenedName = (name: string): string => `${name}/float32`;

export class Weights {
  readonly #graph: GraphBuilder;
  readonly #tensors: ReadonlyMap<string, TensorLocation>;
  readonly #widened = new Map<string, Value>();
  /** Null: they are initializers. */
  readonly #inputs: Map<string, Value> | null;
  readonly #floatType: FloatType;

  constructor(
    graph: GraphBuilder,
    tensors: ReadonlyMap<string, TensorLocation>,
    { weights, floatType }: Pick<Required<GraphOptions>, 'weights' | 'floatType'>,
  ) {
    this.#graph = graph;
    this.#tensors = tensors;
    this.#inputs = weights === 'inputs' ? new Map() : null;
    this.#floatType = floatType;
  }

  /** The tensor as it is stored, or as it is fed: `inputType`. */
  stored(name: string, shape: readonly number[]): Value {
    const tensor = this.#locate(name, shape);
    if (this.#inputs !== null) {
      const type = inputType(name, tensor, this.#floatType);
      const input = this.#inputs.get(name) ?? this.#graph.input(name, DataType[type], shape);
      this.#inputs.set(name, input);
      return input;
    }
    return this.#graph.initializer(
      externalTensor(name, ONNX_TYPES[tensor.dtype], tensor.shape, {
        location: tensor.file,
        offset: tensor.begin,
        length: tensor.end - tensor.begin,
        entries: tensor.packed,
      }),
    );
  }

  /** A matrix in the type of products. */
  matrix(name: string, shape: readonly [number, number]): Value {
    return this.#inputs === null ? this.float32(name, shape) : this.stored(name, shape);
  }

  /**
   * The tensor in float32; no matrix that is fed in float16. The runtime folds the Cast when it loads the model: a narrow
   * weight is widened once. Where that was saved, it's a tensor itself.
   */
  float32(name: string, shape: readonly number[]): Value {
    if (this.#tensors.has(widenedName(name))) return this.stored(widenedName(name), shape);
    const stored = this.stored(name, shape);
    if (this.#inputs !== null || this.#locate(name, shape).dtype === 'F32') return stored;
    const widened = this.#widened.get(name) ?? Cast(this.#graph, stored, DataType.float32, widenedName(name));
    this.#widened.set(name, widened);
    return widened;
  }

  isQuantized(module: string): boolean {
    return isQuantizedIn(this.#tensors, module);
  }

  /** The parts of a quantised weight [out, in], as they are stored. */
  quantized(module: string, [outFeatures, inFeatures]: readonly [number, number]): QuantizedValues {
    const scheme = storedScheme(this.#tensors, module);
    if (scheme === null) throw new MissingTensorError(packedName(module), [outFeatures, inFeatures]);
    const { blocks, blockBytes, zeroPointBytes } = sizesOf(inFeatures, scheme);
    return {
      bits: scheme.bits,
      packed: this.stored(packedName(module), [outFeatures, blocks, blockBytes]),
      scales: this.stored(scalesName(module), [outFeatures, blocks]),
      zeroPoints: scheme.zeroPoints ? this.stored(zeroPointsName(module), [outFeatures, zeroPointBytes]) : undefined,
    };
  }

  #locate(name: string, shape: readonly number[]): TensorLocation {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new MissingTensorError(name, shape);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      throw new TensorShapeError(name, tensor.shape, shape);
    }
    return tensor;
  }
}
