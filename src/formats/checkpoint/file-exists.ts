import { access } from 'node:fs/promises';
import { isMissingFile } from '../../errors/files.js';

/** False only where there is none: a file that can't be looked at is an error. */
export async function fileExists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if (isMissingFile(error)) return false;
    throw error;
  }
}
