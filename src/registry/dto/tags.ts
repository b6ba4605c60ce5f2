/** Tags of nodes and revisions: short words that people choose, kept sorted and once each. */
import { z } from 'zod';

export const tagSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$/, 'A tag has up to 64 letters, digits, ".", "_", ":", "/" or "-".');

export const tagsSchema = z
  .array(tagSchema)
  .max(64)
  .transform((tags) => [...new Set(tags)].sort());
