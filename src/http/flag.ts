/** A yes or no in a query. zod's `stringbool` takes more words than it can describe. */
import { z } from 'zod';

type YesOrNo = z.ZodPipe<z.ZodEnum, z.ZodTransform<boolean, string>>;

export function yesOrNo(): YesOrNo {
  return z.enum(['true', 'false']).transform((given) => given === 'true');
}

/** No where it is left out. */
export function flag(): z.ZodPrefault<YesOrNo> {
  return yesOrNo().prefault('false');
}
