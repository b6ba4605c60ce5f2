/** A local PEFT folder as the form that a push takes. */
import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EncodedForm } from './counted.js';
import { isMissing, UnreadableError, UsageError } from './errors.js';

/** The two files of a PEFT folder. */
export const FILES = ['adapter_config.json', 'adapter_model.safetensors'];
const CARD = 'README.md';

/**
 * Fields first: the service reads the parts as they come. Files stay on disk until the service takes them. `card`: a
 * file, or false for none; left out, the folder's own.
 */
export async function peftForm(
  folder: string,
  fields: Readonly<Record<string, string | number | object | undefined>>,
  card?: string | false,
): Promise<{ form: EncodedForm; bytes: number }> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) form.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  let bytes = 0;
  const add = async (name: string, file: string): Promise<void> => {
    // A folder opens as a blob too, and fails when it is read.
    if (!(await stat(file)).isFile()) throw new UnreadableError(file, 'it is no file');
    const blob = await openAsBlob(file);
    bytes += blob.size;
    form.append(name, blob, name);
  };
  if (card !== false) {
    try {
      await add(CARD, card ?? join(folder, CARD));
    } catch (error) {
      if (card !== undefined || !isMissing(error)) throw new UnreadableError(card ?? join(folder, CARD), error);
    }
  }
  for (const name of FILES) {
    try {
      await add(name, join(folder, name));
    } catch {
      throw new UsageError(`${join(folder, name)} can't be read. A PEFT folder holds ${FILES.join(' and ')}.`);
    }
  }
  return { form: new EncodedForm(form), bytes };
}
