/** Folders of checkpoints that were placed and never recorded, because the service died in between. */
import { Injectable } from '@nestjs/common';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissingFile } from '../../errors/files.js';
import { temporaryName } from '../../storage/temporary.js';
import { ModelFolders } from '../model-folders.js';
import { RegistryWrites } from '../registry-writes.js';
import type { GcReport } from './gc.dto.js';
import type { Collection } from './gc.service.js';

/** A base digest. */
const DIGEST = /^[0-9a-f]{64}$/;

@Injectable()
export class ModelGarbage {
  constructor(
    private readonly folders: ModelFolders,
    private readonly writes: RegistryWrites,
  ) {}

  async remove({ before, dryRun }: Collection): Promise<GcReport['models']> {
    const report = { removed: 0, removedBytes: 0 };
    for (const digest of (await readdir(this.folders.root)).filter((name) => DIGEST.test(name))) {
      const found = await measure(join(this.folders.root, digest));
      if (found === null || found.modifiedAt > before || !(await this.#take(digest, dryRun))) continue;
      report.removed++;
      report.removedBytes += found.bytes;
    }
    return report;
  }

  /** Whether it is nobody's. An import looks, under the same lock, whether its folder is still there. */
  async #take(digest: string, dryRun: boolean): Promise<boolean> {
    const folder = join(this.folders.root, digest);
    const doomed = join(this.folders.root, temporaryName());
    const isGarbage = await this.writes.exclusively(async (transaction) => {
      if ((await transaction.model.count({ where: { digest } })) > 0) return false;
      if (!dryRun) await rename(folder, doomed);
      return true;
    });
    // Not under the lock: it can take long.
    if (isGarbage && !dryRun) await rm(doomed, { recursive: true, force: true });
    return isGarbage;
  }
}

/** Null where it is gone. */
async function measure(folder: string): Promise<{ bytes: number; modifiedAt: Date } | null> {
  try {
    const { mtime } = await stat(folder);
    const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
    return { bytes: sizes.reduce((sum, size) => sum + size, 0), modifiedAt: mtime };
  } catch (error) {
    if (isMissingFile(error)) return null;
    throw error;
  }
}
