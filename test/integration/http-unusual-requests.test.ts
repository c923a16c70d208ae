import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import type { Problem } from '../../src/http/protocol/problems.ts';
import { createTestApp } from '../unit/http/in-memory.ts';
import { waitUntil } from '../support/patience.ts';

/** Headers that every refusal has, also where there was no request to refuse. */
const HOUSE = { 'content-type': 'application/problem+json; charset=utf-8', 'x-content-type-options': 'nosniff' };

describe('requests that Node would answer by itself', () => {
  let app: HttpApp;
  let port = 0;
  before(async () => {
    ({ app } = createTestApp());
    port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
  });
  after(async () => await app.close());

  async function connect(): Promise<net.Socket> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }

  /** Sends the lines and reads one answer, with its body by `content-length`. */
  async function ask(...lines: string[]) {
    const socket = await connect();
    try {
      socket.write([...lines, '', ''].join('\r\n'));
      return await readAnswer(socket);
    } finally {
      socket.destroy();
    }
  }

  async function readAnswer(socket: net.Socket) {
    let seen = '';
    let whole: RegExpExecArray | null = null;
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      seen += chunk.toString('latin1');
      const head = /^HTTP\/1\.1 (\d+)[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n/.exec(seen);
      const length = Number(/^content-length: (\d+)/im.exec(head?.[2] ?? '')?.[1] ?? 0);
      if (head && seen.length >= head[0].length + length) {
        whole = head;
        break;
      }
    }
    assert.ok(whole, `no whole answer: ${JSON.stringify(seen)}`);
    const headers = new Headers(
      (whole[2] ?? '')
        .trim()
        .split('\r\n')
        .filter((line) => line !== '')
        .map((line): [string, string] => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 1).trim()];
        }),
    );
    return { status: Number(whole[1]), headers, body: seen.slice(whole[0].length) };
  }

  function assertProblem({ status, headers, body }: Awaited<ReturnType<typeof ask>>, expected: Partial<Problem>) {
    assert.equal(status, expected.status);
    for (const [name, value] of Object.entries(HOUSE)) assert.equal(headers.get(name), value, name);
    assert.equal(headers.get('cache-control'), 'no-store');
    const problem = JSON.parse(body) as Problem;
    assert.deepEqual({ ...problem, ...expected }, problem);
    assert.ok(problem.detail.length > 10);
  }

  it('refuse an expectation that nobody knows, with and without a body, and hang up', async () => {
    for (const lines of [
      ['GET /health/live HTTP/1.1', 'host: x', 'expect: 200-ok'],
      ['POST /migrations/upgrade HTTP/1.1', 'host: x', 'expect: money', 'content-length: 2'],
      ['GET /nowhere HTTP/1.1', 'host: x', 'expect: 99-continue'],
    ]) {
      const answer = await ask(...lines);
      const [, path = ''] = lines[0]?.split(' ') ?? [];
      if (path.startsWith('/migrations'))
        // Who may not ask is told that first, as ever.
        assertProblem(answer, { status: 401, type: 'urn:candlekeep:problem:token-required' });
      else assertProblem(answer, { status: 417, type: 'urn:candlekeep:problem:expectation-failed', instance: path });
      assert.equal(answer.headers.get('connection'), 'close');
      assert.match(answer.headers.get('x-request-id') ?? '', /^[\w.:-]+$/);
      assert.equal(answer.headers.get('x-frame-options'), 'DENY');
    }
  });

  it('go on after 100-continue', async () => {
    const socket = await connect();
    try {
      socket.write('POST /migrations/upgrade HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n');
      const [first] = (await once(socket, 'data')) as [Buffer];
      assert.match(first.toString(), /^HTTP\/1\.1 100 Continue\r\n\r\n/);
      const rest = first.subarray('HTTP/1.1 100 Continue\r\n\r\n'.length);
      if (rest.length > 0) socket.unshift(rest);
      assertProblem(await readAnswer(socket), { status: 401 });
    } finally {
      socket.destroy();
    }
  });

  it('are answered as if they had asked for no other protocol', async () => {
    for (const protocol of ['websocket', 'h2c']) {
      const answer = await ask('GET /health/live HTTP/1.1', 'host: x', 'connection: upgrade', `upgrade: ${protocol}`);
      assert.deepEqual([answer.status, answer.body], [200, '{"status":"alive","phase":"running"}']);
    }
  });

  it('refuse to be a proxy, and go on answering others while its client holds the line', async () => {
    const answer = await ask('CONNECT example.com:443 HTTP/1.1', 'host: example.com:443');
    assertProblem(answer, {
      status: 405,
      type: 'urn:candlekeep:problem:method-not-allowed',
      instance: 'example.com:443',
    });
    assert.equal(answer.headers.get('allow'), 'GET, HEAD, POST');
    const rude = await connect();
    rude.on('error', () => undefined);
    rude.write('CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n');
    await readAnswer(rude);
    rude.resetAndDestroy();
    const idle = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    idle.resume();
    idle.write('CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n');
    await once(idle, 'end');
    assert.equal((await ask('GET /health/live HTTP/1.1', 'host: x')).status, 200);
    // It never ends its side; ours does not wait for that.
    await waitUntil(async () => (await countConnections()) === 0, 'the end of every connection');
    idle.destroy();
  });

  it('refuse what names no host, or is no HTTP', async () => {
    const hostless = await ask('GET /health/live HTTP/1.1');
    assertProblem(hostless, { status: 400, type: 'urn:candlekeep:problem:request-invalid', instance: '/health/live' });
    assert.equal(hostless.headers.get('connection'), 'close');
    assert.equal((await ask('GET /health/live HTTP/1.0')).status, 200, 'HTTP/1.0 knows no host');
    assertProblem(await ask('NONSENSE'), { status: 400, instance: '' });
    assertProblem(await ask('GET / HTTP/1.1', `x: ${'y'.repeat(20_000)}`), { status: 431 });
  });

  async function countConnections(): Promise<number> {
    return await new Promise((done, fail) =>
      app.server.getConnections((error, count) => (error ? fail(error) : done(count))),
    );
  }
});
