/** A checkpoint → the ONNX graph of its decoder with a LoRA port on every linear. Inputs and outputs: `ports.ts`. */
import { EMBEDDING } from '../formats/checkpoint/expected-tensors.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { DataType, encodeModel } from '../formats/onnx/model.js';
import type { ModelProto } from '../formats/onnx/onnx_pb.js';
import { decoderBlock } from './architectures/registry.js';
import type { NewRows } from './attention.js';
import type { ResidualStream } from './decoder-block.js';
import { Decoder } from './decoder.js';
import type { Value } from './graph-builder.js';
import type { GraphOptions } from './graph-options.js';
import { linear } from './linear.js';
import { outputLogits } from './logit-blocks.js';
import { Add, Cast, Concat, Gather, Mul, ReduceSum, Reshape } from './ops.js';
import { TOKEN_CHECK } from './pool-ports.js';
import { beside, LOGIT_POSITIONS, NEW_K, NEW_V } from './ports.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';

/** `tensors` by the names of the checkpoint. No weight is read: the graph points into the files that `tensors` names. */
export function buildDecoderGraph(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
  options: GraphOptions = {},
): ModelProto {
  const block = decoderBlock(config.modelType);
  const d = new Decoder(config, tensors, options);
  const g = d.graph;
  const logitPositions = g.input(LOGIT_POSITIONS, DataType.int64, ['K']);

  const newRows: (readonly NewRows[])[] = [];
  let stream: ResidualStream = { residual: g.within('model.embed_tokens', () => embed(d)) };
  for (let layer = 0; layer < config.layers; layer++) {
    const behind = block(d, layer, stream);
    stream = behind.stream;
    newRows.push(behind.newRows);
  }
  const { residual, output } = stream;
  const hidden = output === undefined ? residual : g.within('model', () => Add(g, residual, output));

  const wanted = g.within('model.norm', () => d.rmsNorm('model.norm', Gather(g, hidden, logitPositions)));
  const logits = linear(d, 'lm_head', wanted, config.tiedEmbeddings ? { weight: EMBEDDING } : {});
  outputLogits(g, logits, config.vocabSize);
  if (d.options.cache === 'pool') {
    const check = g.within('model', () => ReduceSum(g, Mul(g, hidden, g.float32(0))));
    g.output(TOKEN_CHECK, check, DataType.float32, ['N']);
    return g.build(config.modelType);
  }
  for (const part of newRows[0]?.keys() ?? []) {
    const named = (name: string): string => (part === 0 ? name : beside(name));
    const ofPart = newRows.flatMap((layer) => layer[part] ?? []);
    const shape = [
      part === 0 ? 'B' : 'B2',
      config.layers * config.kvHeads,
      part === 0 ? (d.options.oneToken ? 1 : 'T') : 'T2',
      config.headDim,
    ];
    g.output(named(NEW_K), join(ofPart.map(({ k }) => k)), DataType.float32, shape);
    g.output(named(NEW_V), join(ofPart.map(({ v }) => v)), DataType.float32, shape);
  }
  return g.build(config.modelType);

  function join(rows: Value[]): Value {
    return g.within('model', () => Concat(g, rows, 1));
  }
}

/** The same as the bytes that a session loads: about 100 kB, made in some 20 ms, so it is made anew at each load. */
export function encodeDecoderGraph(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TensorLocation>,
  options: GraphOptions = {},
): Uint8Array {
  return encodeModel(buildDecoderGraph(config, tensors, options));
}

/** input_ids: [B, T] or [N] → [N, hidden] */
function embed(d: Decoder): Value {
  const g = d.graph;
  const { vocabSize, hiddenSize, tiedEmbeddings } = d.config;
  // A matrix that lm_head reads too is in float32 as a whole anyway; else only the rows that were gathered are widened.
  const isWidened = tiedEmbeddings && !d.weights.isQuantized('lm_head') && !d.narrow.isNarrow;
  const perRow = isWidened
    ? Gather(g, d.weights.float32(EMBEDDING, [vocabSize, hiddenSize]), d.inputIds)
    : Cast(g, Gather(g, d.weights.stored(EMBEDDING, [vocabSize, hiddenSize]), d.inputIds), DataType.float32);
  return Reshape(g, perRow, g.int64s(-1, hiddenSize));
}
