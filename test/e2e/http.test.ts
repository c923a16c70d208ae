import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { RecordedRow } from '../../simulator/recorded-candles.ts';
import { ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { findFault, listOperations } from '../support/openapi-document.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { startService, type ServiceProcess } from '../support/service-process.ts';

const HOUR_MS = 3_600_000;
const SYMBOL = 'BTC/USDT';
const ADMIN_TOKEN = 'a-token-for-this-test';

describe('HTTP of the running service', () => {
  let database: TestDatabase;
  let stage: ExchangeStage;
  let service: ServiceProcess;
  let environment: Record<string, string>;
  let fromMs: number;

  before(async () => {
    database = await createTestDatabase();
    stage = await ExchangeStage.open({ symbols: [SYMBOL] });
    fromMs = Math.floor(stage.now() / HOUR_MS) * HOUR_MS - 60 * HOUR_MS;
    environment = {
      ...stage.environment({ symbols: [SYMBOL], timeframes: '1m', fromMs }),
      DATABASE_URL: database.url,
      FUTURES: 'true',
      ADMIN_TOKEN,
    };
    service = startService(environment);
    await service.waitUntilComplete();
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
    await stage.exchange.close();
    await database.drop();
  });

  const post = (body: string, headers: Record<string, string> = { authorization: `Bearer ${ADMIN_TOKEN}` }) =>
    service.request('/migrations/upgrade', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });

  it('answers health in whole', async () => {
    const { status, body } = await service.request('/health');
    assert.equal(status, 200);
    assert.equal(body['status'], 'healthy');
    assert.deepEqual(body['components'], { database: 'up', scheduler: 'running', ingest: 'running' });
    assert.deepEqual(Object.keys(body['recent_ohlcv'] as object).slice(0, 3), ['refreshed_at', 'duration_ms', 'rows']);
  });

  it('answers as its OpenAPI document says', async () => {
    const document = (await service.request('/docs/json')).body as unknown as Parameters<typeof listOperations>[0];
    const operations = listOperations(document);
    for (const path of ['/health', '/migrations', '/v1/series', '/v1/exchanges', '/v1/coverage', '/udf/config']) {
      const { status, body } = await service.request(path);
      const answers = operations.find((operation) => operation.method === 'GET' && operation.path === path)?.answers;
      const answer = answers?.find((each) => each.status === status);
      assert.ok(answer?.schema, path);
      assert.equal(findFault(document, answer.schema, body), null, path);
    }
    const { requestBody } = document.paths['/migrations/upgrade']?.['post'] as { requestBody?: { required?: boolean } };
    assert.equal(requestBody?.required, false, 'it upgrades without a body too');
  });

  it('gives every candle once through the pages that next links', async () => {
    const read: RecordedRow[] = [];
    let pages = 0;
    let next: string | null =
      `/v1/ohlcv?symbol=${SYMBOL}&timeframe=1m&limit=500&since=${new Date(fromMs).toISOString()}`;
    while (next !== null) {
      const { status, body } = await service.request(next);
      assert.equal(status, 200, JSON.stringify(body));
      for (const row of body['data'] as Record<string, string>[]) {
        const { timestamp, open, high, low, close, volume } = row;
        read.push([Date.parse(timestamp!), open, high, low, close, volume] as unknown as RecordedRow);
      }
      next = body['next'] as string | null;
      assert.ok(++pages <= 10, 'the pages do not end');
    }
    assert.equal(pages, Math.ceil(read.length / 500));
    assert.ok(read.length >= 60 * 60, `${read.length} candles`);
    const stored = await listStored(database.url, SYMBOL, '1m');
    assert.deepEqual(read, stored.slice(0, read.length));
    assert.deepEqual(read, stage.listTruth(SYMBOL, '1m', fromMs).slice(0, read.length));
  });

  it('gives futures data under the spot symbol', async () => {
    const { status, body } = await service.request(
      `/v1/futures?symbol=${SYMBOL}&since=${new Date(fromMs).toISOString()}&limit=1000`,
    );
    assert.equal(status, 200);
    const rows = body['data'] as Record<string, unknown>[];
    assert.ok(rows.length >= 59, `${rows.length} hours`);
    const metrics = ['open_interest', 'open_interest_value', 'mark_price', 'top_trader_ratio', 'taker_buy_sell_ratio'];
    for (const metric of metrics)
      assert.ok(
        rows.slice(0, 50).every((row) => typeof row[metric] === 'string'),
        metric,
      );
    assert.ok(rows.filter((row) => row['funding_rate'] !== null).length >= 7, 'a funding rate every eight hours');
  });

  it('names the parameter that is wrong, unknown or missing', async () => {
    for (const [query, field] of [
      ['symbol=BTC/USDT&timeframe=1m&simbol=x', 'simbol'],
      ['symbol=BTC/USDT&timeframe=1x', 'timeframe'],
      ['symbol=BTC/USDT&timeframe=1m&limit=0', 'limit'],
      ['symbol=BTC/USDT&timeframe=1m&since=yesterday', 'since'],
      ['timeframe=1m', 'symbol'],
    ]) {
      const { status, headers, body } = await service.request(`/v1/ohlcv?${query}`);
      assert.equal(status, 400, query);
      assert.match(String(headers.get('content-type')), /^application\/problem\+json/);
      const errors = body['errors'] as { field: string }[];
      assert.deepEqual(
        errors.map((error) => error.field),
        [field],
        query,
      );
    }
    assert.equal((await service.request('/v1/ohlcv?symbol=NOPE/USDT&timeframe=1m')).status, 404);
  });

  it('lets only the token upgrade', async () => {
    for (const headers of [{}, { authorization: 'Bearer a-token-for-this-tesT' }, { authorization: ADMIN_TOKEN }])
      assert.equal((await post('{}', headers as Record<string, string>)).status, 401);
    const { status, body } = await post('{}');
    assert.equal(status, 200);
    assert.deepEqual([body['applied'], body['version']], [[], body['head']]);
    assert.ok(!service.output.includes(ADMIN_TOKEN), 'the token is in the log');
    await using without = startService({ ...environment, ADMIN_TOKEN: '' });
    await without.waitFor(({ phase }) => phase === 'running');
    const answer = await without.request('/migrations/upgrade', {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    assert.equal(answer.status, 403);
  });

  it('answers the plan of a dry run, and refuses an unknown revision and a way back', async () => {
    const before = await execute(database.url, 'select * from kysely_migration order by name');
    const plan = await post('{"dry_run": true}');
    assert.deepEqual([plan.status, plan.body['revisions']], [200, []]);
    for (const body of ['{"to": "0999_no_such"}', '{"to": "../etc"}', '{"to": 7}', '{"dry": true}', '{"to": ']) {
      const answer = await post(body);
      assert.equal(answer.status, 400, `${body}: ${JSON.stringify(answer.body)}`);
    }
    const back = await post('{"to": "0003_futures_data"}');
    assert.ok(back.status >= 400 && back.status < 500, JSON.stringify(back.body));
    assert.deepEqual(await execute(database.url, 'select * from kysely_migration order by name'), before);
  });

  it('refuses 10 MB with 413 and goes on', async () => {
    const url = new URL('/migrations/upgrade', await service.url());
    const size = 10 * 1024 * 1024;
    const headers = {
      'content-type': 'application/json',
      'content-length': size,
      authorization: `Bearer ${ADMIN_TOKEN}`,
    };
    const send = (body: Buffer | null) =>
      new Promise<number | undefined>((done, fail) => {
        const sending = request(url, { method: 'POST', headers }, (response) => {
          // The connection may break afterwards: the service does not read what is left.
          sending.on('error', () => undefined);
          response.resume();
          done(response.statusCode);
          sending.destroy();
        });
        sending.once('error', fail);
        if (body === null) sending.flushHeaders();
        else sending.end(body);
      });
    assert.equal(await send(null), 413, 'the length alone is enough to refuse it');
    // Who sends on without looking may find the connection closed before the answer is read.
    const outcome = await send(Buffer.alloc(size, 'x')).catch((error: unknown) => codeOf(error));
    assert.ok([413, 'EPIPE', 'ECONNRESET'].includes(outcome ?? 'no outcome'), String(outcome));
    const justOver = await post(`{"to": "${'x'.repeat(64 * 1024)}"}`);
    assert.equal(justOver.status, 413);
    assert.match(String(justOver.body['detail']), /64 kB/);
    assert.equal((await service.health()).status, 'healthy');
  });
});

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}
