import { type DecoderBlock, preNormBlock } from '../decoder-block.js';

/** Qwen3: Llama's block with an RMS norm on each head of q and k. */
export const qwen3: DecoderBlock = preNormBlock({ headNorm: true });
