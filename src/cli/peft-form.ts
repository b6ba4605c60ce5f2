/** A local PEFT folder as the form that a push takes. */
import { FormData } from 'undici';
import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './errors.js';

/** The two files of a PEFT folder. */
export const FILES = ['adapter_config.json', 'adapter_model.safetensors'];

/** Fields first: the service reads the parts as they come. Files stay on disk until the service takes them. */
export async function peftForm(
  folder: string,
  fields: Readonly<Record<string, string | number | object | undefined>>,
): Promise<{ form: FormData; bytes: number }> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) form.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  let bytes = 0;
  for (const name of FILES) {
    const file = join(folder, name);
    try {
      const blob = await openAsBlob(file);
      bytes += blob.size;
      form.append(name, blob, name);
    } catch {
      throw new UsageError(`${file} can't be read. A PEFT folder holds ${FILES.join(' and ')}.`);
    }
  }
  return { form, bytes };
}
