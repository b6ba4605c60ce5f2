/** An adapter on the Hugging Face hub, as a request names it and as a revision remembers it. */
import { z } from 'zod';

const PART = String.raw`[A-Za-z0-9][A-Za-z0-9._-]{0,95}`;

export const hubRepo = z
  .string()
  .regex(new RegExp(`^(?:${PART}/)?${PART}$`), 'A repository of the hub looks like this: "organisation/name".');

export const hubReference = z.strictObject({
  repo: hubRepo.describe('Of a model, like "organisation/name".'),
  revision: z
    .string()
    .regex(/^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/, 'A branch, a tag or a commit is expected.')
    .default('main')
    .describe('Branch, tag or commit.'),
  token: z
    .string()
    .regex(/^hf_[A-Za-z0-9]{1,200}$/, 'A token of the hub begins with "hf_".')
    .optional()
    .describe('Sent to the hub with this request alone; never kept, never logged.'),
  folder: z
    .string()
    .max(1024)
    .regex(/^(?!\.)[A-Za-z0-9._-]+(?:\/(?!\.)[A-Za-z0-9._-]+)*$/, 'A folder within the repository is expected.')
    .optional()
    .describe('Where the adapter lies within the repository; left out, at its top.'),
});
export type HubReference = z.infer<typeof hubReference>;

export const sourceSchema = z.object({
  hub: z.string().describe('URL of the hub.'),
  repo: z.string(),
  revision: z.string().describe('As the push named it.'),
  commit: z.string().describe('What that was then.'),
  folder: z.string().nullable(),
});
export type RevisionSource = z.infer<typeof sourceSchema>;

/** As it lies in the database. */
export function revisionSource(json: unknown): RevisionSource | null {
  return json === null ? null : sourceSchema.parse(json);
}
