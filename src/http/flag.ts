import { z } from 'zod';

/** A yes or no in a query; no where it is left out. zod's `stringbool` takes more words than it can describe. */
export function flag(): z.ZodPrefault<z.ZodPipe<z.ZodEnum, z.ZodTransform<boolean, string>>> {
  return z
    .enum(['true', 'false'])
    .transform((given) => given === 'true')
    .prefault('false');
}
