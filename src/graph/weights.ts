/** The checkpoint's tensors as initializers that point into its files, checked against what the config says. */
import { MissingTensorError, TensorShapeError } from '../errors.js';
import { DataType } from '../formats/onnx/model.js';
import { packedName, scalesName, storedScheme, zeroPointsName } from '../formats/quantization/quantized-file.js';
import { sizesOf } from '../formats/quantization/scheme.js';
import { externalTensor } from '../formats/onnx/tensor.js';
import type { GraphBuilder, Value } from './graph-builder.js';
import { Cast } from './ops.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';

const ONNX_TYPES = { F32: DataType.float32, F16: DataType.float16, BF16: DataType.bfloat16, U8: DataType.uint8 };

export interface QuantizedValues {
  bits: 4 | 8;
  /** [out, blocks, 4·bits] bytes */
  packed: Value;
  /** [out, blocks] float32 */
  scales: Value;
  /** [out, ⌈blocks·bits/8⌉] bytes; undefined where the middle stands for zero. */
  zeroPoints?: Value;
}

export class Weights {
  readonly #graph: GraphBuilder;
  readonly #tensors: ReadonlyMap<string, TensorLocation>;
  readonly #widened = new Map<string, Value>();
  /** Null: they are initializers. */
  readonly #inputs: Map<string, Value> | null;

  constructor(
    graph: GraphBuilder,
    tensors: ReadonlyMap<string, TensorLocation>,
    where: 'initializers' | 'inputs' = 'initializers',
  ) {
    this.#graph = graph;
    this.#tensors = tensors;
    this.#inputs = where === 'inputs' ? new Map() : null;
  }

  /** The tensor as it is stored; as an input, what is narrow is float32 already. */
  stored(name: string, shape: readonly number[]): Value {
    const tensor = this.#locate(name, shape);
    if (this.#inputs !== null) {
      const type = tensor.dtype === 'U8' ? DataType.uint8 : DataType.float32;
      const input = this.#inputs.get(name) ?? this.#graph.input(name, type, shape);
      this.#inputs.set(name, input);
      return input;
    }
    return this.#graph.initializer(
      externalTensor(name, ONNX_TYPES[tensor.dtype], tensor.shape, {
        location: tensor.file,
        offset: tensor.begin,
        length: tensor.end - tensor.begin,
      }),
    );
  }

  /** The tensor in float32. The runtime folds the Cast when it loads the model: a narrow weight is widened once. */
  float32(name: string, shape: readonly number[]): Value {
    const stored = this.stored(name, shape);
    if (this.#inputs !== null || this.#locate(name, shape).dtype === 'F32') return stored;
    const widened = this.#widened.get(name) ?? Cast(this.#graph, stored, DataType.float32);
    this.#widened.set(name, widened);
    return widened;
  }

  isQuantized(module: string): boolean {
    return this.#tensors.has(packedName(module));
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
