/** Files and folders that a caller names or sends, whatever is in them. */
import { clip, EspalierError } from './espalier-error.js';

/** A file that isn't what its format says. `name` is how the caller knows it: `adapter_model.safetensors`. */
export class InvalidFileError extends EspalierError {
  constructor(name: string, reason: string, options?: ErrorOptions) {
    super({ code: 'invalid_file', status: 400, message: `${name} ${reason}.`, details: { file: name } }, options);
  }

  /** There is no such file. */
  get missing(): boolean {
    return isMissingFile(this.cause);
  }
}

/** No such file, told apart from a disk that can't be read. */
export function isMissingFile(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  );
}

export class MissingFileError extends EspalierError {
  constructor(file: string, where: string) {
    super({
      code: 'missing_file',
      status: 400,
      message: `${where} has no "${file}" that can be read.`,
      details: { file },
    });
  }
}

/** Of files that belong to an adapter and have a limit of their own. */
export class FileTooLargeError extends EspalierError {
  constructor(file: string, limitBytes: number) {
    super({
      code: 'file_too_large',
      status: 413,
      message: `"${file}" is larger than ${limitBytes} bytes, and no such file may be. Check that it is the file that its name says.`,
      details: { file, limitBytes },
    });
  }
}

/** `kind` by its content; null: by its name. */
export class ArchiveRefusedError extends EspalierError {
  constructor(name: string, kind: string | null) {
    super({
      code: 'archive_refused',
      status: 400,
      message: `"${clip(name)}" is ${kind === null ? 'the name of an archive' : `an archive (${kind})`}, and nothing is unpacked here. Unpack it first, and send adapter_config.json and adapter_model.safetensors themselves.`,
      details: { file: clip(name), kind },
    });
  }
}

/** The service reads only the folders that it was told to. */
export class FolderNotAllowedError extends EspalierError {
  constructor(folder: string, roots: readonly string[]) {
    super({
      code: 'folder_not_allowed',
      status: 403,
      message: `"${clip(folder)}" lies in no folder that this service may read (${roots.join(', ')}). Start it with ESPALIER_IMPORT_ROOTS naming a folder above.`,
      param: 'folder',
      details: { folder: clip(folder), roots },
    });
  }
}

export class FolderNotFoundError extends EspalierError {
  constructor(folder: string) {
    super({
      code: 'folder_not_found',
      status: 404,
      message: `There is no folder "${clip(folder)}" on the machine of the service, or its account may not read it.`,
      param: 'folder',
      details: { folder: clip(folder) },
    });
  }
}
