/** The store that the configuration names. The S3 client, a large package, is loaded only where it is used. */
import type { BlobLocation } from './blob-location.js';
import type { BlobStore } from './blob-store.js';
import { FileBlobStore } from './file-blob-store.js';

export async function openBlobStore(location: BlobLocation): Promise<BlobStore> {
  if (location.kind === 'folder') return FileBlobStore.open(location.folder);
  const { S3BlobStore } = await import('./s3-blob-store.js');
  return S3BlobStore.open(location);
}
