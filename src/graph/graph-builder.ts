/** Collects the parts of an ONNX graph. `ops.ts` puts one function per operator on top of it. */
import { create } from '@bufbuild/protobuf';
import type { Attribute, DataType } from '../formats/onnx/model.js';
import { onnxModel, onnxNode, unshapedInfo, valueInfo } from '../formats/onnx/model.js';
import type { GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from '../formats/onnx/onnx_pb.js';
import { GraphProtoSchema } from '../formats/onnx/onnx_pb.js';
import { float32Tensor, int64Tensor } from '../formats/onnx/tensor.js';

/** The name of a tensor in the graph: an input, an initializer or what a node puts out. */
export type Value = string & { readonly __value: unique symbol };

/** A number is fixed, a string names a dimension that is known at run time. */
export type Shape = readonly (number | string)[];

export class GraphBuilder {
  #nodes: NodeProto[] = [];
  /** In all, those of branches included. */
  #made = 0;
  readonly #initializers = new Map<string, TensorProto>();
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  #scope = '';

  input(name: string, type: DataType, shape: Shape): Value {
    this.#inputs.push(valueInfo(name, type, shape));
    return name as Value;
  }

  /** Gives a value the name of a graph output. Read it under that name: so the runtime need not copy it. */
  output(name: string, value: Value, type: DataType, shape: Shape): Value {
    this.#add(onnxNode({ opType: 'Identity', name: `output/${name}`, inputs: [value], outputs: [name] }));
    this.#outputs.push(valueInfo(name, type, shape));
    return name as Value;
  }

  /** Adds an initializer once: a second one of the same name is the same value. */
  initializer(tensor: TensorProto): Value {
    if (!this.#initializers.has(tensor.name)) this.#initializers.set(tensor.name, tensor);
    return tensor.name as Value;
  }

  int64s(...values: number[]): Value {
    return this.initializer(int64Tensor(`int64s/${values.join(',')}`, values));
  }

  int64(value: number): Value {
    return this.initializer(int64Tensor(`int64/${value}`, [value], []));
  }

  float32(value: number): Value {
    return this.initializer(float32Tensor(`float32/${value}`, [value], []));
  }

  /** Nodes made in `body` carry the scope in their names, as a PEFT name does: `model.layers.3.self_attn/Softmax`. */
  within<T>(scope: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  /**
   * Adds a node with one output. An undefined input is an optional one that is left out. `name`: of the output, unique in
   * the graph; without it one is made up.
   */
  node(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: Readonly<Record<string, Attribute>>,
    domain?: string,
    name = this.#nameOf(opType),
  ): Value {
    this.#add(
      onnxNode({ opType, name, inputs: inputs.map((input) => input ?? ''), outputs: [name], attributes, domain }),
    );
    return name as Value;
  }

  /** Adds a node with several outputs: the first so many, or those at certain places, ascending. */
  nodes(
    opType: string,
    inputs: readonly (Value | undefined)[],
    wanted: number | readonly number[],
    attributes?: Readonly<Record<string, Attribute>>,
    domain?: string,
  ): Value[] {
    const name = this.#nameOf(opType);
    const places = typeof wanted === 'number' ? Array.from({ length: wanted }, (_, place) => place) : wanted;
    const values = places.map((place) => (place === 0 ? name : `${name}:${place}`) as Value);
    const outputs: string[] = Array<string>((places.at(-1) ?? 0) + 1).fill('');
    for (const [i, place] of places.entries()) outputs[place] = values[i] ?? '';
    this.#add(onnxNode({ opType, name, inputs: inputs.map((input) => input ?? ''), outputs, attributes, domain }));
    return values;
  }

  /**
   * The nodes that `body` makes as a graph of their own, for an operator that runs it or not. They may read everything that
   * was made before; what they make, only themselves may read. Inputs and initializers become those of the whole graph.
   */
  branch(body: () => readonly Value[], type: DataType): GraphProto {
    const outer = this.#nodes;
    this.#nodes = [];
    try {
      const values = body();
      return create(GraphProtoSchema, {
        name: `${this.#scope}/branch_${this.#made}`,
        node: this.#nodes,
        output: values.map((value) => unshapedInfo(value, type)),
      });
    } finally {
      this.#nodes = outer;
    }
  }

  #nameOf(opType: string): string {
    return `${this.#scope}/${opType}_${this.#made}`;
  }

  #add(node: NodeProto): void {
    this.#nodes.push(node);
    this.#made++;
  }

  build(name: string, metadata?: Readonly<Record<string, string>>): ModelProto {
    const graph = create(GraphProtoSchema, {
      name,
      node: this.#nodes,
      initializer: [...this.#initializers.values()],
      input: this.#inputs,
      output: this.#outputs,
    });
    return onnxModel(graph, metadata);
  }
}
