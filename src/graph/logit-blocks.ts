/**
 * Logits by blocks of tokens, so that few of them need be looked at to draw one: a vocabulary has 150,000 tokens and more,
 * but the largest logit and the probability mass of each block say which blocks matter.
 *
 * K positions, V tokens in the vocabulary, `blocks` = V / LOGIT_BLOCK, rounded up.
 */
import { DataType, encodeModel } from '../formats/onnx/model.js';
import { GraphBuilder, type Value } from './graph-builder.js';
import { Exp, Gather, Mul, PadEnd, ReduceMax, ReduceSum, Reshape, Sub } from './ops.js';
import { LOGIT_MAXIMA, LOGIT_SUMS, LOGITS } from './ports.js';

/** Tokens of a block, in the order of their ids. It divides most vocabularies: else all logits are copied to be padded. */
export const LOGIT_BLOCK = 128;

export const blockCount = (vocabSize: number): number => Math.ceil(vocabSize / LOGIT_BLOCK);

/** Behind the vocabulary's end: below the logits of any model, and still a number. */
const NO_LOGIT = -3e38;

/** The three outputs that tell of logits, [K, V]. */
export function outputLogits(g: GraphBuilder, logits: Value, vocabSize: number): void {
  const out = g.output(LOGITS, logits, DataType.float32, ['K', vocabSize]);
  const maxima = ReduceMax(g, inBlocks(g, out, vocabSize));
  g.output(LOGIT_MAXIMA, maxima, DataType.float32, ['K', blockCount(vocabSize)]);
  g.output(LOGIT_SUMS, ReduceSum(g, out), DataType.float32, ['K']);
}

export const POSITIONS = 'positions';
export const LARGEST = 'largest';
export const INVERSE_TEMPERATURE = 'inverse_temperature';
export const MASSES = 'masses';

/**
 * Σ exp((logit - largest) / temperature) over each block. logits: [K, V], positions: [n], of those that are wanted;
 * largest: [n, 1], of each of them, inverse_temperature: [n, 1], finite → masses: [n, blocks]
 */
export function encodeMassGraph(vocabSize: number): Uint8Array {
  const g = new GraphBuilder();
  const logits = g.input(LOGITS, DataType.float32, ['K', vocabSize]);
  const wanted = Gather(g, logits, g.input(POSITIONS, DataType.int64, ['n']));
  const below = Sub(g, wanted, g.input(LARGEST, DataType.float32, ['n', 1]));
  const weights = Exp(g, Mul(g, below, g.input(INVERSE_TEMPERATURE, DataType.float32, ['n', 1])));
  const sums = ReduceSum(g, inBlocks(g, weights, vocabSize, 0));
  g.output(MASSES, sums, DataType.float32, ['n', blockCount(vocabSize)]);
  return encodeModel(g.build('masses'));
}

/** Of all positions' blocks, one behind the other: position · blocks + block */
export const BLOCKS = 'blocks';
export const VALUES = 'values';

/** logits: [K, V], blocks: [n] → values: [n, LOGIT_BLOCK]; what is behind the vocabulary's end means nothing. */
export function encodeReadGraph(vocabSize: number): Uint8Array {
  const g = new GraphBuilder();
  const logits = g.input(LOGITS, DataType.float32, ['K', vocabSize]);
  const all = Reshape(g, inBlocks(g, logits, vocabSize), g.int64s(-1, LOGIT_BLOCK));
  const values = Gather(g, all, g.input(BLOCKS, DataType.int64, ['n']));
  g.output(VALUES, values, DataType.float32, ['n', LOGIT_BLOCK]);
  return encodeModel(g.build('read'));
}

/** values: [K, V] → [K, blocks, LOGIT_BLOCK], with `rest` behind the vocabulary's end */
function inBlocks(g: GraphBuilder, values: Value, vocabSize: number, rest = NO_LOGIT): Value {
  const blocks = blockCount(vocabSize);
  const missing = blocks * LOGIT_BLOCK - vocabSize;
  const padded = missing === 0 ? values : PadEnd(g, values, missing, rest);
  return Reshape(g, padded, g.int64s(-1, blocks, LOGIT_BLOCK));
}
