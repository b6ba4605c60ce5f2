/** `GET /v1/models`: nodes as models, with vLLM's `root` and `parent`. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';
import type { ServableNode } from '../../registry/registry.service.js';

const MAX_MODELS = 1000;

export const modelListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_MODELS).default(MAX_MODELS),
  after: plainText(4096).min(1).optional().describe('Id of the last entry of the page before.'),
});
export type ModelListQuery = z.infer<typeof modelListQuery>;

export const modelEntrySchema = z
  .object({
    id: z.string().describe("The node's path: what goes into `model` of a request."),
    object: z.literal('model'),
    created: z.number().describe('Seconds.'),
    owned_by: z.string(),
    root: z
      .string()
      .describe("As vLLM has it: where the adapter lies, which here is its path, and the base model's name."),
    parent: z.string().nullable(),
    parent_node: z.string().nullable().describe('Path of the node above.'),
  })
  .meta({ id: 'ServedModel' });
export type ModelEntry = z.infer<typeof modelEntrySchema>;

export const modelListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(modelEntrySchema),
    has_more: z.boolean(),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
  })
  .meta({ id: 'ServedModelList' });
export type ModelList = z.infer<typeof modelListSchema>;

export function toModelEntry(node: ServableNode): ModelEntry {
  return {
    id: node.path,
    object: 'model',
    created: Math.floor(node.createdAt.getTime() / 1000),
    owned_by: 'espalier',
    root: node.path,
    parent: node.parent === null ? null : node.root,
    parent_node: node.parent,
  };
}

/** `nodes` holds one more than `limit` where there are more. */
export function toModelList(nodes: readonly ServableNode[], limit: number): ModelList {
  const data = nodes.slice(0, limit).map(toModelEntry);
  return {
    object: 'list',
    data,
    has_more: nodes.length > limit,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
}
