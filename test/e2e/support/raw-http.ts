/** HTTP by hand: bytes as a test wants them, at the pace that it wants. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export class RawConnection {
  readonly #socket: Socket;
  /** All that came so far. */
  received = '';
  /** Resolves when the other end is done. */
  readonly closed: Promise<void>;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => resolve()).on('error', () => undefined);
    });
  }

  get open(): boolean {
    return !this.#socket.destroyed && this.#socket.readable;
  }

  send(text: string | Buffer): void {
    this.#socket.write(text);
  }

  /** Sends the parts with pauses between them, as long as the other end listens. */
  async sendSlowly(parts: Iterable<string | Buffer>, pauseMs: number): Promise<void> {
    for (const part of parts) {
      if (!this.open) return;
      this.send(part);
      await sleep(pauseMs);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
