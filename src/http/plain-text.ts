import { z } from 'zod';

/** Text for the database or the file system: neither takes a NUL. */
export function plainText(maxChars: number): z.ZodString {
  return z
    .string()
    .max(maxChars)
    .refine((text) => !text.includes('\0'), { message: 'A text without NUL characters is expected.' });
}

/** A field of a form that holds JSON. */
export function jsonText<T extends z.ZodType>(schema: T): z.ZodType<z.output<T>, string> {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.issues.push({ code: 'custom', message: 'JSON is expected.', input: text });
        return z.NEVER;
      }
    })
    .pipe(schema);
}
