import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A Bot API on the loopback that takes every message and keeps when it came. */
export class TelegramServer implements AsyncDisposable {
  /** Epoch ms. */
  readonly received: number[] = [];
  readonly #server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      this.received.push(Date.now());
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ok: true, result: {} }));
    });
  });

  /** Resolves with the origin. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
