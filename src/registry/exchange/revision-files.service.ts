/** The two files of a revision, byte for byte as they were pushed. */
import { Injectable } from '@nestjs/common';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { RequestContext } from '../../access/request-context.js';
import { isMissingFile } from '../../errors/files.js';
import { BlobMissingError } from '../../errors/storage.js';
import type { OfferedFile } from '../../http/offered-file.js';
import { BlobStore } from '../../storage/blob-store.js';
import { ADAPTER_CONFIG } from '../adapter-staging.js';
import { RegistryService } from '../registry.service.js';
import { revisionOfId } from '../revision-lookup.js';
import type { RevisionFile } from './revision-file.dto.js';

@Injectable()
export class RevisionFilesService {
  constructor(
    private readonly registry: RegistryService,
    private readonly blobs: BlobStore,
  ) {}

  find({ caller }: RequestContext, { id, name }: RevisionFile): OfferedFile {
    const { configBlob, weightsBlob } = revisionOfId(this.registry.tree, id, caller);
    const isConfig = name === ADAPTER_CONFIG;
    const sha256 = isConfig ? configBlob : weightsBlob;
    return {
      name,
      type: isConfig ? 'application/json; charset=utf-8' : 'application/octet-stream',
      etag: sha256,
      open: async () => {
        const file = await this.blobs.local(sha256);
        return {
          bytes: await this.#sizeOf(file, sha256),
          stream: (range) => createReadStream(file, range === null ? {} : { start: range.first, end: range.last }),
          hasParts: true,
          discard: () => undefined,
        };
      },
    };
  }

  async #sizeOf(file: string, sha256: string): Promise<number> {
    try {
      return (await stat(file)).size;
    } catch (error) {
      if (isMissingFile(error)) throw new BlobMissingError(sha256, this.blobs.description);
      throw error;
    }
  }
}
