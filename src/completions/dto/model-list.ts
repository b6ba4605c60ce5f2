/** `GET /v1/models`: nodes as models, with vLLM's `root` and `parent`. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';
import type { ServableNode } from '../../registry/registry.service.js';

const MAX_MODELS = 1000;

export const modelListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_MODELS).default(MAX_MODELS),
  /** Id of the last entry of the page before. */
  after: plainText(4096).min(1).optional(),
});
export type ModelListQuery = z.infer<typeof modelListQuery>;

export interface ModelEntry {
  /** The node's path: what goes into `model` of a request. */
  id: string;
  object: 'model';
  /** Seconds. */
  created: number;
  owned_by: string;
  /** As vLLM has it: where the adapter lies, which here is its path, and the base model's name. */
  root: string;
  parent: string | null;
  /** Path of the node above. */
  parent_node: string | null;
}

export interface ModelList {
  object: 'list';
  data: ModelEntry[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}

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
