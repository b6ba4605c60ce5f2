/** A line to a server that can break: a TCP proxy whose faults a test chooses. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class FaultyLine {
  /** Bytes of answers after which the line breaks, once. */
  breakAfterBytes = Infinity;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(endpoint: string): Promise<FaultyLine> {
    const { hostname, port } = new URL(endpoint);
    const server = createServer((client) => {
      const upstream = connect(Number(port), hostname);
      for (const socket of [client, upstream]) {
        line.#sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => line.#sockets.delete(socket));
      }
      client.on('data', (bytes) => upstream.write(bytes)).on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
      upstream.on('data', (bytes) => {
        line.breakAfterBytes -= bytes.length;
        if (line.breakAfterBytes > 0) client.write(bytes);
        else {
          line.breakAfterBytes = Infinity;
          client.resetAndDestroy();
        }
      });
    });
    const line = new FaultyLine(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return line;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** No server at the other end any more. */
  async cut(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
