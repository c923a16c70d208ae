import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

/** A WebSocket server on the loopback that refuses every request with Binance's error and sends nothing else. */
export async function startRefusingStream(): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.on('message', (bytes: Buffer) => {
      const { id } = JSON.parse(bytes.toString()) as { id: number };
      socket.send(JSON.stringify({ error: { code: 2, msg: 'Invalid request: unknown stream' }, id }));
    });
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/stream`,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}
