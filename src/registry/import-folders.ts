/** Which folders of this machine a caller may have read: those in ESPALIER_IMPORT_ROOTS, and the service's own examples. */
import { Inject, Injectable } from '@nestjs/common';
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONFIG, type Config } from '../config.js';
import { FolderNotAllowedError, FolderNotFoundError, isMissingFile, MissingFileError } from '../errors/files.js';

/** Of the repository: two levels up from src/registry and from dist/registry alike. */
export const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

@Injectable()
export class ImportFolders {
  readonly #roots: readonly string[];

  constructor(@Inject(CONFIG) config: Config) {
    this.#roots = [...config.importRoots, EXAMPLES];
  }

  /** The folder, absolute. Refused before anything is said about whether it exists. */
  async folder(named: string): Promise<string> {
    const folder = resolve(named);
    if (!(await this.#allows(folder))) {
      // Links may lead out of a root, or into one.
      const real = await realPath(folder);
      if (real === null || !(await this.#allows(real))) throw new FolderNotAllowedError(folder, this.#roots);
    }
    const real = await realPath(folder);
    if (real === null || !(await stat(real)).isDirectory()) throw new FolderNotFoundError(folder);
    if (!(await this.#allows(real))) throw new FolderNotAllowedError(real, this.#roots);
    return folder;
  }

  /** The file itself, where the folder holds a link, as in the hub's cache. */
  async file(folder: string, name: string): Promise<string> {
    const real = await realPath(join(folder, name));
    if (real === null || !(await stat(real)).isFile()) throw new MissingFileError(name, `"${folder}"`);
    if (!(await this.#allows(real))) throw new FolderNotAllowedError(real, this.#roots);
    return real;
  }

  /** Null where the folder has none. */
  async fileIfAny(folder: string, name: string): Promise<string | null> {
    return (await realPath(join(folder, name))) === null ? null : this.file(folder, name);
  }

  async #allows(path: string): Promise<boolean> {
    for (const root of this.#roots) {
      if (isWithin(path, root) || isWithin(path, (await realPath(root)) ?? root)) return true;
    }
    return false;
  }
}

function isWithin(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '' || (way.split(/[/\\]/)[0] !== '..' && !isAbsolute(way));
}

/** No right to it, a name that is too long for any file, links in a circle. */
const UNREADABLE = new Set<unknown>(['EACCES', 'ENAMETOOLONG', 'ELOOP']);

/** Null where nothing is that this account may read. */
async function realPath(path: string): Promise<string | null> {
  try {
    const real = await realpath(path);
    await access(real, constants.R_OK);
    return real;
  } catch (error) {
    if (isMissingFile(error) || (error instanceof Error && 'code' in error && UNREADABLE.has(error.code))) return null;
    throw error;
  }
}
