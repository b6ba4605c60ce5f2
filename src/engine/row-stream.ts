/** What one request's reader hasn't read yet. Bounded: a reader that stops reading must not fill the service's memory. */
import { SlowReaderError } from '../errors/admission.js';
import type { RowOutput } from './protocol.js';

export class RowStream {
  readonly #maxUnread: number;
  #unread: RowOutput[] = [];
  /** Set once nothing more comes: an error to throw, or null for a quiet end. */
  #end: { error: Error | null } | null = null;
  #wake: (() => void) | null = null;

  constructor(maxUnread: number) {
    this.#maxUnread = maxUnread;
  }

  /** False when the reader is too slow: the stream has failed then, and what was unread is dropped. */
  push(output: RowOutput): boolean {
    if (this.#end !== null) return true;
    if (this.#unread.length >= this.#maxUnread) {
      this.fail(new SlowReaderError(this.#unread.length));
      this.#unread = [];
      return false;
    }
    this.#unread.push(output);
    this.#wake?.();
    return true;
  }

  /** What is unread is still read, then `error` is thrown. */
  fail(error: Error): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  /** Ends quietly and at once. */
  close(): void {
    this.#end ??= { error: null };
    this.#unread = [];
    this.#wake?.();
  }

  /** null at the end. One reader at a time. */
  async next(): Promise<RowOutput | null> {
    for (;;) {
      const output = this.#unread.shift();
      if (output !== undefined) return output;
      if (this.#end !== null) {
        if (this.#end.error !== null) throw this.#end.error;
        return null;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }
}
