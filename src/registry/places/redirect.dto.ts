/** An old path that leads to where its node lies now. */
import { z } from 'zod';
import { pageQuery } from '../dto/page.js';

export const listRedirectsQuery = pageQuery.extend({
  under: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .describe('Id or path of a node: lists the old paths at and below it alone.'),
});
export type ListRedirects = z.output<typeof listRedirectsQuery>;

export const redirectSchema = z
  .object({
    id: z.string(),
    path: z.string().describe('The old path, by what the nodes above it are called now.'),
    node: z
      .object({ id: z.string(), path: z.string() })
      .nullable()
      .describe('Where it leads; null where that lies outside of the subtree of the key.'),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Redirect' });
export type RedirectDto = z.infer<typeof redirectSchema>;
