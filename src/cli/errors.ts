/** What goes wrong on this side of the connection. */

/** A mistake on the command line that commander itself can't see. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export class NoKeyError extends Error {
  override readonly name = 'NoKeyError';

  constructor(keyFile: string) {
    super(`No API key: pass --key, set ESPALIER_KEY, or run this where ${keyFile} can be read.`);
  }
}

/** Ctrl-C. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}
