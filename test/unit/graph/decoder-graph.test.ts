import { MissingTensorError, TensorShapeError, UnsupportedArchitectureError } from '../../../src/errors/models.js';
import { expectedTensors } from '../../../src/formats/checkpoint/expected-tensors.js';
import type { ModelConfig, ModelType } from '../../../src/formats/checkpoint/model-config.js';
import { linearModules, PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import type { TensorLocation } from '../../../src/formats/checkpoint/tensor-location.js';
import { DataType, decodeModel, encodeModel } from '../../../src/formats/onnx/model.js';
import type { GraphProto } from '../../../src/formats/onnx/onnx_pb.js';
import { buildDecoderGraph } from '../../../src/graph/decoder-graph.js';
import { poolK, poolV, ROTARY_COS, ROTARY_SIN, writtenK } from '../../../src/graph/pool-ports.js';
import { loraA, loraB, LOGITS, loraMask, pastK, pastV } from '../../../src/graph/ports.js';

const CONFIG: ModelConfig = {
  modelType: 'llama',
  vocabSize: 11,
  hiddenSize: 8,
  intermediateSize: 12,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  rmsNormEps: 1e-5,
  rope: { theta: 10_000, scaling: { type: 'default' } },
  maxPositions: 32,
  tiedEmbeddings: false,
  bias: { qkv: false, o: false, mlp: false },
  qkNorm: false,
};

/** A checkpoint of the config, one tensor behind the other in one file. */
function tensorsOf(config: ModelConfig, dtype: TensorLocation['dtype'] = 'F32'): Map<string, TensorLocation> {
  const bytes = dtype === 'F32' ? 4 : 2;
  let end = 0;
  return new Map(
    [...expectedTensors(config)].map(([name, shape]) => {
      const begin = end;
      end += shape.reduce((product, size) => product * size, bytes);
      return [name, { file: 'model.safetensors', dtype, shape, begin, end }];
    }),
  );
}

function build(config: ModelConfig, tensors = tensorsOf(config)): GraphProto {
  // Through bytes, as the runtime gets it.
  return decodeModel(encodeModel(buildDecoderGraph(config, tensors))).graph!;
}

const inputNames = (graph: GraphProto): string[] => graph.input.map(({ name }) => name);
const external = (graph: GraphProto): Map<string, Record<string, string>> =>
  new Map(
    graph.initializer
      .filter(({ externalData }) => externalData.length > 0)
      .map(({ name, externalData }) => [name, Object.fromEntries(externalData.map(({ key, value }) => [key, value]))]),
  );

test('every linear has a LoRA port, every projection a mask, every layer its past', () => {
  const names = inputNames(build(CONFIG));
  expect(names).toEqual(expect.arrayContaining(['input_ids', 'position_ids', 'attention_bias', 'logit_positions']));
  for (const { name } of linearModules(CONFIG))
    expect(names).toEqual(expect.arrayContaining([loraA(name), loraB(name)]));
  for (const projection of PROJECTIONS) expect(names.filter((name) => name === loraMask(projection))).toHaveLength(1);
  for (const layer of [0, 1]) expect(names).toEqual(expect.arrayContaining([pastK(layer), pastV(layer)]));
  expect(names).toHaveLength(4 + 2 * 15 + 8 + 2 * 2);
});

test('only logits, what tells of them, and the new rows of K and V leave the graph', () => {
  const outputs = ['logits', 'logit_maxima', 'logit_sums', 'new_k', 'new_v'];
  expect(build(CONFIG).output.map(({ name }) => name)).toEqual(outputs);
});

test('weights are byte ranges of the checkpoint, each named once', () => {
  const tensors = tensorsOf(CONFIG);
  const graph = build(CONFIG, tensors);
  expect([...external(graph).keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, { begin, end }] of tensors) {
    expect(external(graph).get(name)).toEqual({
      location: 'model.safetensors',
      offset: String(begin),
      length: String(end - begin),
    });
  }
  const inFile = graph.initializer.filter(({ externalData }) => externalData.length === 0);
  const bytes = inFile.reduce((sum, { rawData }) => sum + rawData.length, 0);
  expect(bytes).toBeLessThan(1024);
});

test.each(['F16', 'BF16'] as const)(
  '%s weights stay as they are in the file and are widened once in the graph',
  (dtype) => {
    const config = { ...CONFIG, tiedEmbeddings: true };
    const graph = build(config, tensorsOf(config, dtype));
    const stored = graph.initializer.filter(({ externalData }) => externalData.length > 0);
    const type = dtype === 'F16' ? DataType.float16 : DataType.bfloat16;
    expect(new Set(stored.map(({ dataType }) => dataType))).toEqual(new Set([type]));
    for (const { name } of stored) {
      expect(graph.node.filter(({ opType, input }) => opType === 'Cast' && input.includes(name))).toHaveLength(1);
    }
  },
);

test('with tied embeddings lm_head reads the embedding and needs no matrix of its own', () => {
  const graph = build({ ...CONFIG, tiedEmbeddings: true });
  expect(external(graph).has('lm_head.weight')).toBe(false);
  const readers = graph.node.filter(({ input }) => input.includes('model.embed_tokens.weight'));
  expect(readers.map(({ opType }) => opType).sort()).toEqual(['Gather', 'Gemm']);
});

test('node names are unique and say where they belong', () => {
  const names = build(CONFIG).node.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name } of linearModules(CONFIG))
    expect(names.some((node) => node.startsWith(`${name}/Gemm`))).toBe(true);
});

test.each(['model.embed_tokens.weight', 'model.layers.1.mlp.up_proj.weight', 'model.norm.weight', 'lm_head.weight'])(
  'a checkpoint without %s is refused, and the tensor named',
  (name) => {
    const tensors = tensorsOf(CONFIG);
    tensors.delete(name);
    expect(() => build(CONFIG, tensors)).toThrow(MissingTensorError);
    expect(() => build(CONFIG, tensors)).toThrow(name);
  },
);

test('what the config adds is looked for: biases, norms of heads', () => {
  const tensors = tensorsOf(CONFIG);
  const biased = { ...CONFIG, bias: { qkv: false, o: true, mlp: false } };
  expect(() => build(biased, tensors)).toThrow('model.layers.0.self_attn.o_proj.bias');
  const normed: ModelConfig = { ...CONFIG, modelType: 'qwen3', qkNorm: true };
  expect(() => build(normed, tensors)).toThrow('model.layers.0.self_attn.q_norm.weight');
});

test('a tensor of another shape is refused with both shapes', () => {
  const tensors = tensorsOf(CONFIG);
  const name = 'model.layers.0.self_attn.k_proj.weight';
  tensors.set(name, { ...tensors.get(name)!, shape: [8, 4] });
  expect(() => build(CONFIG, tensors)).toThrow(TensorShapeError);
  expect(() => build(CONFIG, tensors)).toThrow(/\[8, 4\].*\[4, 8\]/);
  tensors.set(name, { ...tensors.get(name)!, shape: [32] });
  expect(() => build(CONFIG, tensors)).toThrow(TensorShapeError);
});

test.each(['gpt2', '', 'constructor', '__proto__'])(
  'model_type "%s" is refused with the list of what there is',
  (type) => {
    const config = { ...CONFIG, modelType: type as ModelType };
    expect(() => build(config)).toThrow(UnsupportedArchitectureError);
    expect(() => build(config)).toThrow('llama, mistral, qwen2, qwen3');
  },
);

test('in float16 matrices, rank rows and the pool are narrow, and vectors, masks, tables and logits are not', () => {
  const config = { ...CONFIG, modelType: 'qwen2' as const, bias: { qkv: true, o: false, mlp: false } };
  const tensors = tensorsOf(config, 'BF16');
  const graph = decodeModel(
    encodeModel(
      buildDecoderGraph(config, tensors, { weights: 'inputs', cache: 'pool', lora: 'shared', floatType: 'float16' }),
    ),
  ).graph!;
  const types = new Map(
    [...graph.input, ...graph.output].map(({ name, type }) => [
      name,
      type?.value.case === 'tensorType' ? type.value.value.elemType : undefined,
    ]),
  );
  for (const [name, { shape }] of tensors) {
    expect(`${name} ${types.get(name)}`).toBe(`${name} ${shape.length === 2 ? DataType.float16 : DataType.float32}`);
  }
  const modules = linearModules(config).map(({ name }) => name);
  for (const name of [...modules.map(loraA), ...modules.map(loraB), poolK(0), poolV(1), writtenK(1)]) {
    expect(`${name} ${types.get(name)}`).toBe(`${name} ${DataType.float16}`);
  }
  for (const name of [...PROJECTIONS.map(loraMask), ROTARY_COS, ROTARY_SIN, LOGITS]) {
    expect(`${name} ${types.get(name)}`).toBe(`${name} ${DataType.float32}`);
  }
});
