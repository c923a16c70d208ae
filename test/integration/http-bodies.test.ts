import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import { createTestApp, TOKEN } from '../unit/http/in-memory.ts';
import { waitUntil } from '../support/patience.ts';

const apps: HttpApp[] = [];
after(async () => await Promise.all(apps.map((app) => app.close())));

async function listen() {
  const { app, lines } = createTestApp();
  apps.push(app);
  return { port: Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port), lines };
}

describe('bodies', () => {
  it('refuses a body of 10 MB with 413 and goes on answering on the same connection', async () => {
    const { port } = await listen();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const send = async (headers: http.OutgoingHttpHeaders, size: number) => {
      const request = http.request({
        host: '127.0.0.1',
        port,
        path: '/migrations/upgrade',
        agent,
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
      });
      let fault: Error | null = null;
      request.on('error', (error) => (fault = error));
      request.end('x'.repeat(size));
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      const body = await text(response);
      if (!request.writableFinished) await once(request, 'finish');
      assert.equal(fault, null, 'whoever sends it can read the refusal');
      return { status: response.statusCode, body, socket: request.socket };
    };
    const sockets = new Set<net.Socket | null>();
    // With its length told, and in chunks.
    for (const headers of [{ 'content-length': 10_000_000 }, { 'transfer-encoding': 'chunked' }]) {
      const { status, body, socket } = await send(headers, 10_000_000);
      assert.equal(status, 413);
      assert.match(body, /body-too-large/);
      sockets.add(socket);
    }
    sockets.add((await send({}, 1)).socket);
    assert.equal(sockets.size, 1);
    agent.destroy();
  });

  it('hangs up on a body without end', async () => {
    const { port } = await listen();
    const socket = net.connect(port, '127.0.0.1');
    const gone = new Promise((done) => socket.once('close', done));
    // Reset, as it should be.
    socket.on('error', () => undefined);
    socket.write(
      `POST /migrations/upgrade HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n` +
        'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`;
    let sent = 0;
    while (!socket.destroyed && sent < 500) {
      sent++;
      if (!socket.write(chunk)) await Promise.race([new Promise((done) => socket.once('drain', done)), gone]);
    }
    await gone;
    assert.ok(sent > 10 && sent < 200, `${sent} MB`);
  });

  it('takes a client that hangs up in the middle of a body for what it is, and not for a fault of the database', async () => {
    const { port, lines } = await listen();
    const socket = net.connect(port, '127.0.0.1');
    socket.write(
      `POST /migrations/upgrade HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n` +
        'content-type: application/json\r\ncontent-length: 50\r\n\r\n{"to":',
      () => setTimeout(() => socket.destroy(), 100),
    );
    await waitUntil(() => lines.length > 0, 'a line of the log');
    await delay(100);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['an admin upgrade request was refused or failed'],
    );
  });
});
