import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A free port of the loopback, which nothing listens on for now. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Passes connections to a port of the loopback on to the server of `targetUrl`, while it is open. */
export class LoopbackProxy implements AsyncDisposable {
  readonly port: number;
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  constructor(options: { port: number; targetUrl: string }) {
    const { hostname, port } = new URL(options.targetUrl);
    this.port = options.port;
    this.#target = { host: hostname, port: Number(port) };
  }

  async open(): Promise<void> {
    this.#server = createServer((client) => {
      const upstream = connect(this.#target);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    await listen(this.#server, this.port);
  }

  /** Refuses connections and breaks those that are open. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The same URL at another port of the loopback. */
export function atPort(url: string, port: number): string {
  return Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href;
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
}
