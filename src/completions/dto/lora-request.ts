/** vLLM's requests for loading adapters while it runs. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';

export const loadLoraBody = z.strictObject({
  lora_name: z.string().min(1).max(4096).describe('Path of the node; its parent exists.'),
  lora_path: plainText(4096)
    .min(1)
    .describe("An absolute folder on the service's machine, or a repository of the hub, organisation/name."),
  load_inplace: z.boolean().default(false).describe('Replaces what the node serves; needs the scope `promote`.'),
  is_3d_lora_weight: z.literal(false).optional(),
});
export type LoadLora = z.output<typeof loadLoraBody>;

export const unloadLoraBody = z.strictObject({
  lora_name: z.string().min(1).max(4096).describe('Path of the node.'),
  lora_int_id: z.int().nullish().describe('Plays no part here.'),
});
export type UnloadLora = z.output<typeof unloadLoraBody>;
