import { type DecoderBlock, preNormBlock } from '../decoder-block.js';

/** Mistral: Llama's block. Its sliding window never cuts anything, because the config caps `maxPositions` to it. */
export const mistral: DecoderBlock = preNormBlock();
