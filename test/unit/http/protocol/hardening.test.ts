import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { FastifyReply } from 'fastify';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { Parameters } from '../../../../src/db/repositories/statement-text.ts';
import { listCoverageRanges } from '../../../../src/db/repositories/list-coverage.ts';
import type { Database } from '../../../../src/db/schema.ts';
import { clientOf } from '../../../../src/http/protocol/client-of.ts';
import type { ExportLimits } from '../../../../src/http/protocol/limits.ts';
import { varyByAccept } from '../../../../src/http/formats/vary-by-accept.ts';
import { LiveHub } from '../../../../src/http/live/live-hub.ts';
import { toFilter, streamQuery } from '../../../../src/http/live/stream-query.ts';
import { parseMoment } from '../../../../src/market/moments.ts';
import type { Problem } from '../../../../src/http/protocol/problems.ts';
import { parseDecimal } from '../../../../src/market/decimal.ts';
import { createRecordingLogger, createTestApp, FIRST_MS, get, NO_LIMITS, TOKEN } from '../in-memory.ts';
import { InMemoryFeed } from '../live/in-memory-feed.ts';
import { PATIENCE_MS, waitUntil } from '../../../support/patience.ts';

const OHLCV = '/v1/ohlcv?symbol=BTC/USDT&timeframe=1h';

describe('moments that no exchange has', () => {
  it('are refused with what would be right', async () => {
    for (const text of ['0000-01-01', '0001-01-01T00:00:00+14:00', '1969-12-31T23:59:59Z'])
      assert.throws(() => parseMoment(text), /before 1970/, text);
    for (const text of ['9999-12-31T23:59:59Z', '9999-01-01', '253402300799999'])
      assert.throws(() => parseMoment(text), /after the year 9998/, text);
    assert.equal(parseMoment('1970-01-01'), 0);
    const { app } = createTestApp();
    for (const name of ['since', 'until'])
      for (const path of [OHLCV, '/v1/futures?symbol=BTC/USDT', '/v1/gaps?limit=5'])
        await get<Problem>(app, `${path}&${name}=0000-01-01`, 400);
  });

  it('are clamped where they were computed', async () => {
    const parameters = new Parameters();
    for (const ms of [-3.6e18, 9e15]) parameters.addMoment(ms);
    assert.deepEqual(parameters.values, ['0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z']);
    const { app, rows } = createTestApp();
    rows.snapshots.set('binance BTC/USDT', [{ timestamp: FIRST_MS, open_interest: parseDecimal('1') }]);
    const asked: number[] = [];
    rows.futures.listLedgerGaps = (_exchange, _symbol, { since }) => Promise.resolve((asked.push(since), []));
    const response = await app.inject('/v1/futures?symbol=BTC/USDT&format=csv&limit=999999999');
    assert.equal(response.statusCode, 200);
    assert.deepEqual(asked, [0]);
  });

  it('are refused in the cursor of the ledger', async () => {
    const kysely = new Kysely<Database>({
      dialect: {
        createDriver: () => new DummyDriver(),
        createAdapter: () => new PostgresAdapter(),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    });
    const list = async (moment: string) => {
      const place = ['binance', 'BTC/USDT', '1h', 'ohlcv', moment];
      const after = Buffer.from(JSON.stringify(place)).toString('base64url');
      return await listCoverageRanges(kysely, {}, { limit: 1, after });
    };
    for (const moment of [
      '0000-01-01',
      '0000-01-01T00:00:00.000Z',
      '2026-02-30T00:00:00.000Z',
      '+012026-01-01T00:00:00.000Z',
    ])
      await assert.rejects(list(moment), { code: 'CURSOR_INVALID' }, moment);
    assert.deepEqual(await list('2026-01-01T00:00:00.000Z'), { ranges: [], next: null });
  });
});

/**
 * The app, listening, whose exports send two pages and then wait; `pageBytes`: how large those of each export are, in the
 * order in which they begin; `ended`: which of them, from 0, have let go of their rows.
 */
async function listen(exports: Partial<ExportLimits>, pageBytes: readonly number[] = []) {
  const { app, rows } = createTestApp({ limits: { ...NO_LIMITS, trustedProxies: ['127.0.0.1'], exports } });
  const gate = Promise.withResolvers<undefined>();
  const ended: number[] = [];
  let begun = 0;
  rows.ohlcv.streamText = async function* () {
    const nth = begun++;
    const lines = Buffer.alloc(pageBytes[nth] ?? 8, 'x');
    try {
      yield { lines, count: 1 };
      yield { lines, count: 1 };
      await gate.promise;
    } finally {
      ended.push(nth);
    }
  };
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  const open = async (client: string) =>
    await fetch(`${origin}${OHLCV}&format=csv`, {
      headers: { 'x-forwarded-for': client, 'accept-encoding': 'identity' },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  return { app, gate, ended, open, origin };
}

describe('exports', () => {
  it('are refused above what one client, and all, may have running, until one ends', async () => {
    const { app, gate, open, origin } = await listen({ all: 3, perClient: 2 });
    try {
      const running = [await open('10.0.0.1'), await open('10.0.0.1')];
      const own = await open('10.0.0.1');
      assert.deepEqual([own.status, own.headers.get('retry-after')], [429, '5']);
      assert.equal(own.headers.get('content-type'), 'application/problem+json; charset=utf-8');
      assert.match(((await own.json()) as Problem).detail, /One client may have 2 exports/);
      running.push(await open('10.0.0.2'));
      const other = await open('10.0.0.3');
      assert.equal(other.status, 429);
      assert.match(((await other.json()) as Problem).detail, /3 exports are running/);
      assert.equal((await fetch(`${origin}${OHLCV}`)).status, 200, 'pages are no exports');
      gate.resolve(undefined);
      await Promise.all(running.map(async (response) => await response.text()));
      const again = await open('10.0.0.1');
      assert.equal(again.status, 200);
      await again.text();
    } finally {
      gate.resolve(undefined);
      await app.close();
    }
  });

  it('end where the client reads nothing, and not where we are slow', async () => {
    const large = 8 * 1024 * 1024;
    // What the first one sends the system takes at once: only its rows are waited for, whenever its client comes to read.
    const { app, gate, ended, open } = await listen({ patienceMs: 300 }, [8, large, large]);
    const sockets: Socket[] = [];
    const { port } = app.server.address() as { port: number };
    const openUnread = async () => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      sockets.push(socket);
      await once(socket, 'connect');
      socket.pause();
      socket.write(`GET ${OHLCV}&format=csv HTTP/1.1\r\nhost: x\r\n\r\n`);
    };
    try {
      const slow = await open('10.0.0.2');
      // Two that begin later are ended one after the other: by then the patience is over for the first one, twice.
      for (const unread of [1, 2]) {
        await openUnread();
        await waitUntil(() => ended.includes(unread), `export ${unread}, which nobody reads, ends`);
        assert.deepEqual(ended, [1, 2].slice(0, unread), 'the export whose rows are slow goes on');
      }
      gate.resolve(undefined);
      assert.match(await slow.text(), /x{8}x{8}$/);
    } finally {
      gate.resolve(undefined);
      for (const socket of sockets) socket.destroy();
      await app.close();
    }
  });

  it('and all else are answered 503 with Retry-After where no connection becomes free', async () => {
    const { app, rows } = createTestApp();
    rows.fault = new Error('timeout exceeded when trying to connect');
    const response = await app.inject(OHLCV);
    assert.deepEqual([response.statusCode, response.headers['retry-after']], [503, '5']);
  });
});

describe('vary', () => {
  it('keeps Origin beside accept, in pages and exports', async () => {
    const corsOrigins = ['https://a.example', 'https://b.example'];
    const { app } = createTestApp({ limits: { ...NO_LIMITS, corsOrigins } });
    for (const format of ['json', 'arrays', 'csv']) {
      const { headers } = await app.inject({
        url: `${OHLCV}&format=${format}`,
        headers: { origin: 'https://a.example' },
      });
      const fields = String(headers.vary).toLowerCase().split(/, */);
      for (const field of ['origin', 'accept']) assert.ok(fields.includes(field), `${format}: ${String(headers.vary)}`);
    }
  });

  it('names each once', () => {
    let vary: string | undefined;
    const reply = { getHeader: () => vary, header: (_name: string, value: string) => (vary = value) };
    for (let times = 0; times < 2; times++) varyByAccept(reply as unknown as FastifyReply);
    assert.equal(vary, 'accept, accept-encoding');
  });
});

describe('one client', () => {
  it('is an IPv4 address or the /64 of an IPv6 one', () => {
    for (const [address, client] of [
      ['10.0.0.1', '10.0.0.1'],
      ['::ffff:10.0.0.1', '10.0.0.1'],
      ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
      ['2001:db8::9', '2001:db8:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
    ] as const)
      assert.equal(clientOf(address), client);
  });

  it('may not take the streams of all', async () => {
    const hub = new LiveHub({
      feed: new InMemoryFeed(),
      readHealth: () => ({}),
      logger: createRecordingLogger().logger,
      limits: { perClient: 2 },
    });
    await hub.start({ signal: new AbortController().signal, fail: () => undefined });
    const subscribe = async (owner: string) => await hub.subscribe(toFilter(streamQuery.parse({})), null, owner);
    try {
      const [first] = await Promise.all([subscribe('a'), subscribe('a')]);
      await assert.rejects(subscribe('a'), { code: 'STREAMS_EXHAUSTED', headers: { 'retry-after': '30' } });
      const other = await subscribe('b');
      first.destroy();
      await once(first, 'close');
      const again = await subscribe('a');
      assert.equal(hub.size, 3);
      for (const client of [other, again]) client.destroy();
    } finally {
      await hub.stop();
    }
  });
});

describe('GET /v1/plan', () => {
  it('refuses unknown parameters, as the document says', async () => {
    const { app } = createTestApp();
    const response = await app.inject({ url: '/v1/plan?days=5', headers: { authorization: `Bearer ${TOKEN}` } });
    assert.equal(response.statusCode, 400);
    assert.deepEqual(response.json<Problem>().errors, [{ field: 'days', message: 'is not a parameter of this path' }]);
    assert.equal((await app.inject('/health?x=1')).statusCode, 200);
  });
});
