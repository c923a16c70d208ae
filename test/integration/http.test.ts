import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../src/errors.ts';
import type { HealthDocument, Phase } from '../../src/http/health/health-schema.ts';
import { HttpServer, type HttpServerDeps } from '../../src/http/http-server.ts';
import {
  BTC,
  createProbes,
  createRecordingLogger,
  hourlyCandles,
  InMemorySchema,
  NO_LIMITS,
  NO_METRICS,
  NOTHING_TO_FETCH,
  TOKEN,
} from '../unit/http/in-memory.ts';
import { InMemoryRows } from '../unit/http/in-memory-rows.ts';
import { elapsedMs } from '../support/machine-watch.ts';

const OHLCV = '/v1/ohlcv?symbol=BTC/USDT&timeframe=1h';
const started: HttpServer[] = [];
after(async () => await Promise.all(started.map((server) => server.stop())));

function createServer(changes: Partial<HttpServerDeps> = {}): HttpServer {
  const repositories = new InMemoryRows();
  repositories.put(BTC, hourlyCandles(5001));
  const server = new HttpServer({
    http: { host: '127.0.0.1', port: 0, adminToken: TOKEN, ...NO_LIMITS },
    logger: createRecordingLogger().logger,
    version: '0.1.0-test',
    probes: createProbes(),
    repositories,
    schema: new InMemorySchema(),
    plan: () => Promise.resolve(NOTHING_TO_FETCH),
    metrics: NO_METRICS,
    ...changes,
  });
  started.push(server);
  return server;
}

async function listen(
  changes: Partial<HttpServerDeps> = {},
  signal = new AbortController().signal,
): Promise<{ server: HttpServer; url: string; port: number }> {
  const server = createServer(changes);
  await server.start({ signal });
  const { url } = server;
  assert.ok(url);
  return { server, url, port: Number(new URL(url).port) };
}

/** Rows whose answer waits until it is let go. */
function createHeldRows() {
  const held = Promise.withResolvers<undefined>();
  const asked = Promise.withResolvers<undefined>();
  const rows = new InMemoryRows();
  rows.put(BTC, hourlyCandles(3));
  const repositories: HttpServerDeps['repositories'] = {
    futures: rows.futures,
    recentOhlcv: rows.recentOhlcv,
    coverage: rows.coverage,
    quarantine: rows.quarantine,
    candleRewrites: rows.candleRewrites,
    cancelledBy: () => repositories,
    ohlcv: {
      ...rows.ohlcv,
      readPage: async (...asking) => {
        asked.resolve(undefined);
        await held.promise;
        return await rows.ohlcv.readPage(...asking);
      },
    },
  };
  return { repositories, asked: asked.promise, letGo: () => held.resolve(undefined) };
}

describe('HttpServer', () => {
  it('answers requests: rows, HEAD, bad parameters, a wrong token', async () => {
    const { url } = await listen();
    const page = (await (await fetch(`${url}${OHLCV}&since=2026-01-01&limit=5000`)).json()) as {
      data: unknown[];
      next: string;
    };
    assert.equal(page.data.length, 5000);
    const rest = (await (await fetch(url + page.next)).json()) as { data: unknown[]; next: null };
    assert.deepEqual([rest.data.length, rest.next], [1, null]);

    const head = await fetch(url + OHLCV, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.ok(Number(head.headers.get('content-length')) > 1000);

    const bad = await fetch(`${url}${OHLCV}&limit=0`);
    assert.equal(bad.status, 400);
    assert.match(bad.headers.get('content-type') ?? '', /^application\/problem\+json/);

    const wrong = await fetch(`${url}/migrations/upgrade`, { method: 'POST', headers: { authorization: 'Bearer x' } });
    assert.equal(wrong.status, 401);
    assert.match(wrong.headers.get('www-authenticate') ?? '', /^Bearer/);
  });

  it('answers what is not HTTP, and headers without end, with a problem document', async () => {
    const { port } = await listen();
    for (const [sent, status] of [
      ['nonsense\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ] as const) {
      const socket = net.connect(port, '127.0.0.1');
      socket.write(sent);
      const answer = await text(socket);
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(answer, /application\/problem\+json/);
    }
  });

  it('is alive from the first moment and answers 503 until the rest runs', async () => {
    let phase: Phase = 'connecting';
    const probes = createProbes({ phase: () => phase, progress: () => `now ${phase}` });
    const { url } = await listen({ probes });
    assert.equal((await fetch(`${url}/health/live`)).status, 200);
    for (const path of ['/health', '/health/ready', '/v1/series', OHLCV, '/migrations'])
      assert.equal((await fetch(url + path)).status, 503, path);
    phase = 'migrating';
    const health = (await (await fetch(`${url}/health`)).json()) as HealthDocument;
    assert.deepEqual([health.status, health.phase_detail], ['starting', 'now migrating']);
    phase = 'running';
    for (const path of ['/health', '/health/ready', '/v1/series', OHLCV, '/migrations'])
      assert.equal((await fetch(url + path)).status, 200, path);
  });

  it('answers health in less than 50 ms with the database down', async () => {
    const { url } = await listen({ probes: createProbes({ database: () => 'down' }) });
    await fetch(`${url}/health`);
    const times: number[] = [];
    for (let round = 0; round < 21; round++)
      times.push(await elapsedMs(async () => await (await fetch(`${url}/health`)).text()));
    const median = times.toSorted((a, b) => a - b)[10]!;
    assert.ok(median < 50, `${median} ms`);
  });

  it('names HOST and PORT and what to do where it cannot listen', async () => {
    const { port } = await listen();
    const cases: [string, number, RegExp][] = [
      ['127.0.0.1', port, new RegExp(`HOST=127.0.0.1 PORT=${port}: another process has this port`)],
      ['192.0.2.1', 0, /HOST=192\.0\.2\.1 PORT=0: this machine does not have that address/],
    ];
    for (const [host, taken, message] of cases) {
      const server = createServer({ http: { host, port: taken, adminToken: null, ...NO_LIMITS } });
      await assert.rejects(server.start({ signal: new AbortController().signal }), (error: unknown) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, 'LISTEN_FAILED');
        assert.match(error.message, message);
        return true;
      });
      await server.stop();
    }
  });
});

describe('HttpServer.stop', () => {
  it('lets a request in flight finish, then closes its keep-alive connection', async () => {
    const { repositories, asked, letGo } = createHeldRows();
    const { server, url } = await listen({ repositories });
    const agent = new http.Agent({ keepAlive: true });
    const request = http.get(url + OHLCV, { agent });
    const answered = once(request, 'response') as Promise<[http.IncomingMessage]>;
    await asked;
    const stopped = server.stop();
    await assert.rejects(fetch(`${url}/health`), 'it no longer accepts connections');
    letGo();
    const [response] = await answered;
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers.connection, 'close');
    assert.match(await text(response), /"open":"102\.00002452"/);
    assert.ok((await elapsedMs(() => stopped)) < 1000);
    agent.destroy();
  });

  it('does not wait for connections that ask nothing', async () => {
    const { server, url, port } = await listen();
    const agent = new http.Agent({ keepAlive: true });
    const [used] = (await once(http.get(`${url}/health`, { agent }), 'response')) as [http.IncomingMessage];
    await text(used);
    const silent = net.connect(port, '127.0.0.1');
    await once(silent, 'connect');
    const closed = once(silent, 'close');
    assert.ok((await elapsedMs(() => server.stop())) < 1000);
    await closed;
    agent.destroy();
  });

  it('cuts off a slow client when its time is over', async () => {
    const { server, port } = await listen({ stopTimeoutMs: 300 });
    const slow = net.connect(port, '127.0.0.1');
    slow.on('error', () => undefined);
    slow.write(
      `POST /migrations/upgrade HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n` +
        'content-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    );
    await sleep(100);
    const closed = once(slow, 'close');
    const since = performance.now();
    const waited = await elapsedMs(() => server.stop());
    assert.ok(performance.now() - since >= 250 && waited < 2000, `${waited} ms`);
    await closed;
  });

  it('ends an upgrade in flight, and still answers it, as soon as the process stops', async () => {
    const asked = Promise.withResolvers<AbortSignal>();
    class WaitingSchema extends InMemorySchema {
      override async upgrade({ signal }: { signal?: AbortSignal }): Promise<never> {
        assert.ok(signal);
        asked.resolve(signal);
        await once(signal, 'abort');
        throw signal.reason;
      }
    }
    const process = new AbortController();
    const { server, url } = await listen({ schema: new WaitingSchema() }, process.signal);
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const answered = fetch(`${url}/migrations/upgrade`, { method: 'POST', headers, body: '{}' });
    await asked.promise;
    process.abort();
    const response = await answered;
    assert.equal(response.status, 503);
    assert.match(await response.text(), /stopping/);
    assert.equal((await fetch(`${url}/health/live`)).status, 200, 'it answers until it is stopped itself');
    assert.ok((await elapsedMs(() => server.stop())) < 1000);
  });

  it('may be called twice, before the start and after it failed', async () => {
    const server = createServer();
    await server.stop();
    await server.stop();
    const running = await listen();
    await Promise.all([running.server.stop(), running.server.stop()]);
    assert.equal(running.server.url, null);
  });
});
