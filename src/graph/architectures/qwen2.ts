import { type DecoderBlock, preNormBlock } from '../decoder-block.js';

/** Qwen2 and 2.5: Llama's block; q, k and v carry a bias, which the config says. */
export const qwen2: DecoderBlock = preNormBlock();
