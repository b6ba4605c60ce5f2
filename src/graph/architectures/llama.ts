import { type DecoderBlock, preNormBlock } from '../decoder-block.js';

/** Llama 1 to 3.x and what shares its layout (SmolLM, TinyLlama, …): transformers' `LlamaForCausalLM`. */
export const llama: DecoderBlock = preNormBlock();
