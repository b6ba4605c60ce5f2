/** What is searched for, and what is found. */
import { z } from 'zod';
import { flag, yesOrNo } from '../../http/flag.js';
import { plainText } from '../../http/plain-text.js';
import { nodeSchema } from '../dto/node.dto.js';
import { pageQuery } from '../dto/page.js';
import { metricName } from '../dto/revision.dto.js';
import { tagSchema } from '../dto/tags.js';

export interface MetricRange {
  name: string;
  /** Both included; null: open. */
  min: number | null;
  max: number | null;
}

export type SearchOrder =
  | { by: 'name' | 'createdAt' | 'updatedAt'; descending: boolean }
  /** Finds those alone that have it. */
  | { by: 'metric'; metric: string; descending: boolean };

/** All that is given must hold. */
export interface Search {
  /** Words, of which each begins a word of the node's name or description, or of a message or card of its revisions. */
  text?: string;
  /** Each is a tag of the node or of one of its revisions. */
  tags: string[];
  /** Of the node's head. */
  metrics: MetricRange[];
  stale?: boolean;
  createdAfter?: Date;
  createdBefore?: Date;
  /** Id or path: at and below this node. */
  under?: string;
  /** Also those that were archived. */
  archived: boolean;
  sort: SearchOrder;
  limit: number;
  cursor?: string;
}

const NUMBER = String.raw`-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const RANGE = new RegExp(String.raw`^([^:]+):(${NUMBER})?\.\.(${NUMBER})?$`);

const metricRange = z
  .string()
  .refine((text) => {
    const [, name, min = 0, max = 0] = RANGE.exec(text) ?? [];
    return metricName.safeParse(name).success && Number.isFinite(Number(min)) && Number.isFinite(Number(max));
  }, 'A range of a metric looks like this: "eval_loss:0.1..0.5", or open "eval_loss:..0.5".')
  .transform((text): MetricRange => {
    const [, name = '', min, max] = RANGE.exec(text) ?? [];
    return { name, min: min === undefined ? null : Number(min), max: max === undefined ? null : Number(max) };
  });

/** A parameter that may come more than once. */
function many<T>(each: z.ZodType<T, string>, most: number) {
  return z.union([each.transform((one) => [one]), z.array(each).max(most)]).default([]);
}

const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

export const searchQuery = pageQuery
  .extend({
    text: plainText(200)
      .optional()
      .describe(
        'Words. Each begins a word of the name or description of a node, or of a message or card of its revisions; case and accents don’t matter.',
      ),
    tag: many(tagSchema, 10).describe('Of the node or of one of its revisions; several must all be there.'),
    metric: many(metricRange, 5).describe("Of the node's head: `eval_loss:0.1..0.5`, or open `eval_loss:..0.5`."),
    stale: yesOrNo().optional(),
    createdAfter: time.optional(),
    createdBefore: time.optional(),
    under: z.string().min(1).max(4096).optional().describe('At and below this node.'),
    archived: flag().describe('Also those that were archived.'),
    sort: z
      .union([z.enum(['name', 'createdAt', 'updatedAt']), z.templateLiteral(['metric:', metricName])])
      .default('name')
      .describe('`metric:eval_loss` finds those alone whose head has the metric.'),
    order: z.enum(['asc', 'desc']).default('asc'),
  })
  .transform(({ tag, metric, sort, order, ...rest }): Search => {
    const descending = order === 'desc';
    return {
      ...rest,
      tags: tag,
      metrics: metric,
      sort:
        sort === 'name' || sort === 'createdAt' || sort === 'updatedAt'
          ? { by: sort, descending }
          : { by: 'metric', metric: sort.slice('metric:'.length), descending },
    };
  });

export const foundNodeSchema = nodeSchema
  .extend({ metrics: z.record(z.string(), z.number()).describe('Of its head.') })
  .meta({ id: 'FoundNode' });
export type FoundNodeDto = z.infer<typeof foundNodeSchema>;
