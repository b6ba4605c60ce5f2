import { z } from 'zod';

/** Text for the database or the file system: neither takes a NUL. */
export function plainText(maxChars: number): z.ZodString {
  return z
    .string()
    .max(maxChars)
    .refine((text) => !text.includes('\0'), { message: 'A text without NUL characters is expected.' });
}
