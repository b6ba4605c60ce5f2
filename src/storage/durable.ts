import { open } from 'node:fs/promises';

/** Forces what a folder lists to the disk: only then is a rename in it certain to survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows can't open folders, and needs no such call.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
