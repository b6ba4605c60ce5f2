/**
 * Linears of a layer that read the same x. Their private LoRA ports share one product with A. `lm_head` is in no group:
 * it reads chosen positions, not rows of the batch, and has a shared port only.
 */
import type { Projection } from '../formats/checkpoint/modules.js';

export const PORT_GROUPS = {
  qkv: ['q_proj', 'k_proj', 'v_proj'],
  o: ['o_proj'],
  gate_up: ['gate_proj', 'up_proj'],
  down: ['down_proj'],
} as const satisfies Readonly<Record<string, readonly Projection[]>>;

export type PortGroup = keyof typeof PORT_GROUPS;
export const GROUP_NAMES = Object.keys(PORT_GROUPS) as PortGroup[];
