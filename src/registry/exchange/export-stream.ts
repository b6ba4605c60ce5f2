/** The near end of an export: bytes as they are read, each piece asked for when there is room for it. */
import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { EspalierError } from '../../errors/espalier-error.js';
import type { ExportMessage } from './export.worker.js';

/** Bytes that wait here for a slow reader. */
const BUFFER_BYTES = 4 * 1024 * 1024;
/** A reader that takes nothing for so long gives its place up. */
const STALL_MS = 60_000;

export class ExportStream extends Readable {
  readonly #port: MessagePort;
  #complete = false;
  #stalled: NodeJS.Timeout | undefined;

  constructor(port: MessagePort) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#port = port;
    port.on('message', (message: ExportMessage) => this.#receive(message));
    port.once('close', () => this.#abandoned());
    // Whoever reads it hears of an error; before that nobody has to.
    this.on('error', () => undefined);
  }

  /** Size of the file. Rejects where the export can't be opened. */
  async opened(): Promise<number> {
    const [bytes] = (await once(this, 'opened')) as [number];
    return bytes;
  }

  override _read(): void {
    clearTimeout(this.#stalled);
    this.#port.postMessage(null);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#stalled);
    this.#port.close();
    callback(error);
  }

  #receive(message: ExportMessage): void {
    if ('bytes' in message) this.emit('opened', message.bytes);
    else if ('piece' in message) this.#take(message.piece);
    else if ('error' in message) this.destroy(EspalierError.from(message.error, message.reason));
    else {
      this.#complete = true;
      this.push(null);
    }
  }

  #take(piece: Uint8Array): void {
    if (this.push(piece)) return;
    const giveUp = () => this.destroy(new Error(`Nothing of the export was read for ${STALL_MS / 1000} s.`));
    this.#stalled = setTimeout(giveUp, STALL_MS).unref();
  }

  /** The worker closes its end when it is through, or when it dies. */
  #abandoned(): void {
    if (!this.#complete) this.destroy(new Error('The export ended before its file did.'));
  }
}
