import { rename } from 'node:fs/promises';

/** What systems say when a folder is renamed to where one is. */
const OCCUPIED = new Set<unknown>(['ENOTEMPTY', 'EEXIST', 'EPERM']);

/** Renames a finished folder to where it belongs. False where one is already, which stays. */
export async function moveIntoPlace(folder: string, place: string): Promise<boolean> {
  try {
    await rename(folder, place);
    return true;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && OCCUPIED.has(error.code)) return false;
    throw error;
  }
}
