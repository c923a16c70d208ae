import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseUnavailableError } from '../../../../src/errors.ts';
import { isDatabaseUnavailable } from '../../../../src/http/protocol/errors.ts';
import type { Phase } from '../../../../src/http/health/health-schema.ts';
import type { HealthProbes } from '../../../../src/http/health/health.ts';
import type { Problem } from '../../../../src/http/protocol/problems.ts';
import { createProbes, createTestApp } from '../in-memory.ts';

const sqlError = (code: string) => Object.assign(new Error('secret host db.internal'), { code, severity: 'FATAL' });
const OHLCV = '/v1/ohlcv?symbol=BTC/USDT&timeframe=1h';

describe('isDatabaseUnavailable', () => {
  it('knows connection errors by SQLSTATE, class and network code, also as a cause', () => {
    for (const error of [
      sqlError('57P01'),
      sqlError('57P03'),
      sqlError('53300'),
      sqlError('08006'),
      new DatabaseUnavailableError('away', { retryable: true }),
      Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
      new AggregateError([Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })]),
      new Error('query failed', { cause: Object.assign(new Error('read'), { code: 'ECONNRESET' }) }),
    ])
      assert.equal(isDatabaseUnavailable(error), true);
  });

  it('takes nothing else for one', () => {
    for (const error of [
      sqlError('42P01'),
      sqlError('57014'),
      new Error('ECONNREFUSED'),
      new TypeError('x'),
      'text',
      null,
    ])
      assert.equal(isDatabaseUnavailable(error), false);
  });
});

describe('errors', () => {
  it('answer 503 with Retry-After and no internals while the database is away', async () => {
    const { app, rows, lines } = createTestApp();
    rows.fault = sqlError('57P01');
    const response = await app.inject(OHLCV);
    assert.equal(response.statusCode, 503);
    assert.equal(response.headers['retry-after'], '5');
    assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
    assert.doesNotMatch(response.body, /db\.internal/);
    assert.ok(lines.some((line) => line.msg.includes('database does not answer') && line.level === 40));
  });

  it('take an error without a better explanation for the database where that is known to be down', async () => {
    const { app, rows } = createTestApp({ probes: createProbes({ database: () => 'down' }) });
    rows.fault = new Error('Connection terminated unexpectedly');
    assert.equal((await app.inject(OHLCV)).statusCode, 503);
  });

  it('are 503 while stopping, when the pool is closed under the requests in flight', async () => {
    let phase: Phase = 'running';
    const { app, rows } = createTestApp({ probes: createProbes({ phase: () => phase }) });
    rows.ohlcv.readPage = () => {
      phase = 'stopping';
      return Promise.reject(new Error('driver has already been destroyed'));
    };
    assert.equal((await app.inject(OHLCV)).statusCode, 503);
  });

  it('hide what failed inside behind a request id that the log has too', async () => {
    const { app, rows, lines } = createTestApp();
    rows.fault = new Error('secret internals');
    const response = await app.inject({ url: OHLCV, headers: { 'x-request-id': 'abc-123' } });
    assert.deepEqual(response.json(), {
      type: 'urn:candlekeep:problem:internal',
      title: 'Internal Server Error',
      status: 500,
      detail: 'Something failed inside the service; its log tells what, under the request id abc-123.',
      instance: '/v1/ohlcv',
    });
    const logged = lines.find((line) => line.msg === 'a request failed');
    assert.equal(logged!['request_id'], 'abc-123');
    assert.equal((logged!['err'] as Error).message, 'secret internals');
    assert.ok(lines.some((line) => line.msg === 'a request was answered' && line.level === 40));
  });

  it('answer 404 for an unknown path and 405 with Allow for a known one', async () => {
    const { app } = createTestApp();
    const unknown = await app.inject('/v2/ohlcv?x=1');
    assert.equal(unknown.statusCode, 404);
    assert.equal(unknown.json<Problem>().instance, '/v2/ohlcv');
    const post = await app.inject({ method: 'POST', url: '/v1/ohlcv' });
    assert.equal(post.statusCode, 405);
    assert.equal(post.headers.allow, 'GET, HEAD');
    const get = await app.inject('/migrations/upgrade');
    assert.equal(get.statusCode, 405);
    assert.equal(get.headers.allow, 'POST');
  });

  it('answer a path with a broken escape with 400', async () => {
    const { app } = createTestApp();
    const response = await app.inject('/v1/%E0%A4%A');
    assert.equal(response.statusCode, 400);
    assert.equal(response.json<Problem>().type, 'urn:candlekeep:problem:request-invalid');
  });

  it('answer another content type with 415 and too large a body with 413', async () => {
    const { app } = createTestApp();
    const post = { method: 'POST', url: '/migrations/upgrade' } as const;
    const authorization = 'Bearer correct-horse-battery';
    const text = await app.inject({
      ...post,
      headers: { authorization, 'content-type': 'text/plain' },
      payload: 'to=head',
    });
    assert.equal(text.statusCode, 415);
    const large = await app.inject({ ...post, headers: { authorization }, payload: { to: 'x'.repeat(70_000) } });
    assert.equal(large.statusCode, 413);
    assert.equal(large.json<Problem>().type, 'urn:candlekeep:problem:body-too-large');
  });
});

describe('headers', () => {
  it('carry a request id, the caller’s own where it is harmless', async () => {
    const { app } = createTestApp();
    const given = await app.inject({ url: '/health/live', headers: { 'x-request-id': 'abc-123' } });
    assert.equal(given.headers['x-request-id'], 'abc-123');
    const hostile = await app.inject({ url: '/health/live', headers: { 'x-request-id': 'a b{}' } });
    assert.match(String(hostile.headers['x-request-id']), /^[0-9a-f-]{36}$/);
  });

  it('forbid sniffing everywhere and storing where it would mislead', async () => {
    const { app } = createTestApp();
    const health = await app.inject('/health');
    assert.equal(health.headers['x-content-type-options'], 'nosniff');
    assert.equal(health.headers['cache-control'], 'no-store');
    assert.equal((await app.inject(OHLCV)).headers['cache-control'], 'no-cache');
  });

  it('are all that HEAD answers', async () => {
    const { app } = createTestApp();
    for (const url of ['/health', OHLCV]) {
      const head = await app.inject({ method: 'HEAD', url });
      assert.equal(head.statusCode, 200);
      assert.equal(head.body, '');
    }
  });
});

describe('health routes', () => {
  it('answer 200 or 503 as the documents say, without a query', async () => {
    const cases: [Partial<HealthProbes>, number, number][] = [
      [{}, 200, 200],
      [{ scheduler: () => 'stopped' }, 200, 200],
      [{ database: () => 'down' }, 503, 503],
      [{ phase: () => 'migrating' }, 503, 503],
      [{ phase: () => 'stopping' }, 503, 503],
      [{ failure: () => 'broken' }, 503, 503],
    ];
    for (const [changes, health, ready] of cases) {
      const { app, rows, schema } = createTestApp({ probes: createProbes(changes) });
      rows.fault = schema.fault = new Error('health must not ask');
      assert.equal((await app.inject('/health')).statusCode, health);
      assert.equal((await app.inject('/health/ready')).statusCode, ready);
      assert.equal((await app.inject('/health/live')).statusCode, 200);
    }
  });

  it('log health checks quietly, also while they answer 503', async () => {
    const { app, lines } = createTestApp({ probes: createProbes({ database: () => 'down' }) });
    await app.inject('/health');
    assert.deepEqual(
      lines.map((line) => line.level),
      [20],
    );
  });
});
