import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

/**
 * A WebSocket server on the loopback that refuses requests for these streams with Binance's error, all unless told, takes
 * the others and sends nothing else.
 */
export async function startRefusingStream(
  isRefused: (stream: string) => boolean = () => true,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.on('message', (bytes: Buffer) => {
      const { id, params } = JSON.parse(bytes.toString()) as { id: number; params: readonly string[] };
      const error = { code: 2, msg: 'Invalid request: unknown stream' };
      socket.send(JSON.stringify(params.some(isRefused) ? { error, id } : { result: null, id }));
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
