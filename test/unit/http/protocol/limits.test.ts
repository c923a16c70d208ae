import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, it } from 'node:test';
import fastify from 'fastify';
import { isFresh } from '../../../../src/http/protocol/entity-tag.ts';
import type { HttpApp } from '../../../../src/http/protocol/http-app.ts';
import { registerGuards, weakenTagsOfCompressed, type HttpLimits } from '../../../../src/http/protocol/limits.ts';
import type { Problem } from '../../../../src/http/protocol/problems.ts';
import { createTestApp, iso, NO_LIMITS, TOKEN } from '../in-memory.ts';

const withLimits = (limits: Partial<HttpLimits>) => createTestApp({ limits: { ...NO_LIMITS, ...limits } }).app;
const STRICT = "default-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none';object-src 'none'";

describe('security headers', () => {
  it('forbid everything from elsewhere and everything inline, on data, errors and unknown paths', async () => {
    const app = withLimits({});
    for (const url of ['/health', '/v1/quarantine', '/v1/quarantine?limit=0', '/nowhere']) {
      const { headers } = await app.inject(url);
      assert.equal(headers['content-security-policy'], STRICT, url);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['x-frame-options'], 'DENY');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.equal(headers['strict-transport-security'], undefined, 'we speak plain HTTP');
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
    assert.equal((await app.inject('/%zz')).headers['x-content-type-options'], 'nosniff');
  });

  it('let Swagger UI show its data: icons, and no more', async () => {
    const { headers } = await withLimits({}).inject('/docs');
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /default-src 'self'; .*img-src 'self' data:/);
    assert.doesNotMatch(policy, /unsafe|https:|\*/);
  });
});

describe('CORS', () => {
  const asking = (origin: string) => ({ url: '/v1/quarantine', headers: { origin } });

  it('is off by default', async () => {
    const app = withLimits({});
    assert.equal((await app.inject(asking('https://a.example'))).headers['access-control-allow-origin'], undefined);
    const preflight = await app.inject({
      method: 'OPTIONS',
      ...asking('https://a.example'),
      headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
    });
    assert.equal(preflight.statusCode, 405);
  });

  it('lets the origins that are named read, and no other', async () => {
    const app = withLimits({ corsOrigins: ['https://a.example', 'https://b.example'] });
    for (const [origin, allowed] of [
      ['https://a.example', 'https://a.example'],
      ['https://b.example', 'https://b.example'],
      ['https://c.example', undefined],
      ['https://a.example.c.example', undefined],
    ] as const) {
      const { headers } = await app.inject(asking(origin));
      assert.equal(headers['access-control-allow-origin'], allowed, origin);
      assert.equal(headers['access-control-allow-credentials'], undefined);
      assert.match(String(headers.vary), /origin/i);
    }
  });

  it('lets any origin read where it is *, and none write', async () => {
    const app = withLimits({ corsOrigins: ['*'] });
    assert.equal((await app.inject(asking('https://any.example'))).headers['access-control-allow-origin'], '*');
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/migrations/upgrade',
      headers: { origin: 'https://any.example', 'access-control-request-method': 'POST' },
    });
    assert.equal(preflight.statusCode, 204);
    assert.equal(preflight.headers['access-control-allow-methods'], 'GET, HEAD');
    assert.doesNotMatch(String(preflight.headers['access-control-allow-headers']), /authorization/i);
  });
});

describe('the rate limit', () => {
  it('refuses the data routes to a client that asks too often, and says how long to wait', async () => {
    const app = withLimits({ rateLimitPerMinute: 3 });
    for (const left of ['2', '1', '0']) {
      const { statusCode, headers } = await app.inject('/v1/quarantine');
      assert.deepEqual([statusCode, headers['ratelimit-limit'], headers['ratelimit-remaining']], [200, '3', left]);
    }
    // All data routes together.
    const refused = await app.inject('/v1/revisions');
    assert.equal(refused.statusCode, 429);
    assert.equal(refused.headers['content-type'], 'application/problem+json; charset=utf-8');
    const wait = Number(refused.headers['retry-after']);
    assert.ok(wait > 0 && wait <= 60, String(wait));
    const problem = refused.json<Problem>();
    assert.equal(problem.type, 'urn:candlekeep:problem:rate-limited');
    assert.match(problem.detail, /3 requests in a minute: wait \d+ s/);
  });

  it('leaves out health, metrics, the document, admins and other clients', async () => {
    const app = withLimits({ rateLimitPerMinute: 1 });
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (let round = 0; round < 3; round++) {
      for (const url of ['/health', '/health/live', '/metrics', '/docs/json'])
        assert.equal((await app.inject(url)).statusCode, 200, url);
      assert.equal((await app.inject({ url: '/v1/plan', headers })).statusCode, 200);
    }
    assert.equal((await app.inject('/v1/quarantine')).statusCode, 200);
    assert.equal((await app.inject('/v1/quarantine')).statusCode, 429);
    assert.equal((await app.inject({ url: '/v1/quarantine', remoteAddress: '192.0.2.7' })).statusCode, 200);
  });

  it('counts the addresses of one IPv6 network as one client', async () => {
    const app = withLimits({ rateLimitPerMinute: 1 });
    const ask = async (remoteAddress: string) =>
      (await app.inject({ url: '/v1/quarantine', remoteAddress })).statusCode;
    assert.deepEqual(
      [await ask('2001:db8:1:2::1'), await ask('2001:db8:1:2:9::2'), await ask('2001:db8:1:3::1')],
      [200, 429, 200],
    );
  });

  it('is off at 0', async () => {
    const app = withLimits({ rateLimitPerMinute: 0 });
    for (let round = 0; round < 20; round++) {
      const { statusCode, headers } = await app.inject('/v1/quarantine');
      assert.deepEqual([statusCode, headers['ratelimit-limit']], [200, undefined]);
    }
  });

  it('believes x-forwarded-for of trusted proxies only', async () => {
    const app = withLimits({ rateLimitPerMinute: 1, trustedProxies: ['10.0.0.0/8'] });
    const ask = async (remoteAddress: string, client: string) => {
      const headers = { 'x-forwarded-for': client };
      return (await app.inject({ url: '/v1/quarantine', remoteAddress, headers })).statusCode;
    };
    assert.deepEqual([await ask('10.1.2.3', '192.0.2.1'), await ask('10.1.2.3', '192.0.2.2')], [200, 200]);
    assert.equal(await ask('10.9.9.9', '192.0.2.1'), 429, 'the same client behind another proxy');
    assert.deepEqual([await ask('203.0.113.5', '192.0.2.8'), await ask('203.0.113.5', '192.0.2.9')], [200, 429]);
  });
});

describe('compression', () => {
  const LONG = JSON.stringify({ data: 'candle '.repeat(1000) });

  async function createGuarded(): Promise<HttpApp> {
    const app: HttpApp = fastify();
    registerGuards(app, { corsOrigins: [] });
    app.register((routes: HttpApp, _options, done) => {
      weakenTagsOfCompressed(routes);
      for (const [url, type] of [
        ['/json', 'application/json'],
        ['/csv', 'text/csv; charset=utf-8'],
        ['/ndjson', 'application/x-ndjson'],
        ['/events', 'text/event-stream'],
        ['/parquet', 'application/vnd.apache.parquet'],
      ] as const)
        routes.get(url, (request, reply) => {
          if (isFresh(request, reply, '"tag"')) return reply.code(304).send();
          return reply.type(type).send(url === '/json' ? LONG : Readable.from([LONG]));
        });
      routes.get('/short', (_request, reply) => reply.type('application/json').header('etag', '"s"').send('{"a":1}'));
      done();
    });
    await app.ready();
    return app;
  }

  it('packs JSON and text of any length as the client asks', async () => {
    const app = await createGuarded();
    for (const url of ['/json', '/csv', '/ndjson']) {
      for (const [encoding, unpack] of [
        ['br', brotliDecompressSync],
        ['gzip', gunzipSync],
      ] as const) {
        const { headers, rawPayload } = await app.inject({ url, headers: { 'accept-encoding': encoding } });
        assert.equal(headers['content-encoding'], encoding, url);
        assert.match(String(headers.vary), /accept-encoding/i);
        assert.ok(rawPayload.length < 500);
        assert.equal(unpack(rawPayload).toString(), LONG);
      }
      const plain = await app.inject(url);
      assert.deepEqual([plain.headers['content-encoding'], plain.body], [undefined, LONG]);
    }
  });

  it('leaves short answers, event streams and Parquet as they are', async () => {
    const app = await createGuarded();
    for (const url of ['/short', '/events', '/parquet']) {
      const { headers } = await app.inject({ url, headers: { 'accept-encoding': 'br, gzip' } });
      assert.equal(headers['content-encoding'], undefined, url);
      assert.match(String(headers.etag), /^"/, url);
    }
  });

  it('makes the tag of a packed answer weak, and knows it again', async () => {
    const app = await createGuarded();
    const packed = await app.inject({ url: '/json', headers: { 'accept-encoding': 'gzip' } });
    assert.equal(packed.headers.etag, 'W/"tag"');
    assert.equal((await app.inject('/json')).headers.etag, '"tag"');
    const headers = { 'if-none-match': 'W/"tag"', 'accept-encoding': 'gzip' };
    const again = await app.inject({ url: '/json', headers });
    assert.deepEqual([again.statusCode, again.body, again.headers.etag], [304, '', 'W/"tag"']);
  });

  it('tells caches that answers differ by encoding, also of one without a body or not packed', async () => {
    const { app } = createTestApp();
    const url = `/v1/ohlcv?symbol=BTC/USDT&timeframe=1h&since=${iso(0)}&until=${iso(3)}`;
    const { etag } = (await app.inject(url)).headers;
    for (const asked of [
      { url },
      { url, method: 'HEAD' as const },
      { url, headers: { 'if-none-match': String(etag) } },
    ]) {
      const { statusCode, headers } = await app.inject(asked);
      assert.equal(headers.vary, 'accept, accept-encoding', String(statusCode));
    }
  });

  it('does not unpack what is sent to us: a small body could become a large one', async () => {
    const { app } = createTestApp();
    const response = await app.inject({
      method: 'POST',
      url: '/migrations/upgrade',
      headers: {
        authorization: `Bearer ${TOKEN}`,
        'content-type': 'application/json',
        'content-encoding': 'gzip',
      },
      payload: Buffer.from('1f8b08', 'hex'),
    });
    assert.equal(response.statusCode, 400);
  });
});
