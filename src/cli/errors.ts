/** What goes wrong on this side of the connection. */

/** A mistake on the command line that commander itself can't see. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export class NoKeyError extends Error {
  override readonly name = 'NoKeyError';

  /** `keyFile`: what would have held the key; null where no file of this machine would. */
  constructor(url: string, keyFile: string | null) {
    const where = keyFile === null ? '' : `, or run this where ${keyFile} can be read`;
    super(`No API key for ${url}: pass --key, set ESPALIER_KEY, save one with 'espalier config save'${where}.`);
  }
}

/** A file of this machine that a command needs. */
export class UnreadableError extends UsageError {
  constructor(file: string, cause: unknown) {
    super(`${file} can't be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** Something that would be overwritten. */
export class FileInTheWayError extends UsageError {
  constructor(file: string) {
    super(`${file} is there already, with other content. --force replaces it.`);
  }
}

/** A download that arrived whole and isn't what it should be. */
export class WrongBytesError extends Error {
  override readonly name = 'WrongBytesError';

  constructor(file: string) {
    super(`${file} arrived with other bytes than the service has. It was thrown away: try again.`);
  }
}

export function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

/** Ctrl-C. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}
