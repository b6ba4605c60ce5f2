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

/** Ctrl-C. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}
