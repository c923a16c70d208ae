import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { sql } from 'kysely';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import { MigrationError, SchemaMismatchError } from '../../src/errors.ts';
import type { HttpAppDeps } from '../../src/http/create-http-app.ts';
import { ANSWER_HEADERS } from '../../src/http/protocol/answer-headers.ts';
import { RequestError } from '../../src/http/protocol/errors.ts';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import { LiveClient } from '../../src/http/live/live-client.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { FUTURES_FEEDS } from '../../src/market/futures-snapshot.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { createMigratedDatabase } from '../support/database.ts';
import {
  findFault,
  listOperations,
  type DocumentedAnswer,
  type DocumentedOperation,
} from '../support/openapi-document.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';
import {
  BTC,
  createProbes,
  createRecordingLogger,
  createTestApp,
  FIRST_MS,
  HOUR_MS,
  hourlyCandles,
  iso,
  NO_LIMITS,
  NO_METRICS,
  NOTHING_TO_FETCH,
  TOKEN,
} from '../unit/http/in-memory.ts';

type Document = Parameters<typeof listOperations>[0];

const { logger } = createRecordingLogger();
const ADMIN = { authorization: `Bearer ${TOKEN}` };
const BTC_1H = 'symbol=BTC/USDT&timeframe=1h';
const CLOSED = `since=${iso(0)}&until=${iso(3)}`;

/** A request that each operation answers with success. */
const REQUESTS: Readonly<Record<string, string>> = {
  getHealth: '/health',
  isAlive: '/health/live',
  isReady: '/health/ready',
  readMetrics: '/metrics',
  getMigrations: '/migrations',
  upgradeSchema: '/migrations/upgrade',
  listSeries: '/v1/series?counts=true',
  listExchanges: '/v1/exchanges',
  listCandles: `/v1/ohlcv?${BTC_1H}&${CLOSED}`,
  listRecentCandles: `/v1/recent?${BTC_1H}`,
  listFutures: `/v1/futures?symbol=BTC/USDT&${CLOSED}`,
  listCoverage: '/v1/coverage?limit=1',
  listGaps: '/v1/gaps',
  summarizeCoverage: '/v1/coverage/summary',
  listQuarantine: '/v1/quarantine?limit=1',
  listRevisions: '/v1/revisions',
  planBackfill: '/v1/plan',
  streamCandles: `/v1/stream?${BTC_1H}`,
  udfConfig: '/udf/config',
  udfTime: '/udf/time',
  udfSearch: '/udf/search?query=BTC&limit=30',
  udfSymbol: '/udf/symbols?symbol=binance:BTC/USDT',
  udfHistory: `/udf/history?symbol=binance:BTC/USDT&resolution=60&from=${FIRST_MS / 1000}&to=${FIRST_MS / 1000 + 7200}`,
};
/** Others depend on the request, or on the configuration. */
const ALWAYS_THERE = /^(x-request-id|x-complete|x-gaps|retry-after|www-authenticate)$/;
const FORMATS: Readonly<Record<string, string>> = {
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/vnd.apache.parquet': 'parquet',
};

describe('the OpenAPI document', () => {
  let database: TestDatabase;
  let document: Document;
  let operations: DocumentedOperation[];
  let repositories: Repositories;
  let app: HttpApp;
  const seenHeaders = new Set<string>();
  const pools: ReturnType<typeof createKysely>[] = [];
  const apps: HttpApp[] = [];

  function connect(url: string, statementTimeoutMs = 0): Repositories {
    const kysely = createKysely(() =>
      createPool({ url, applicationName: 'test', maxConnections: 2, statementTimeoutMs, logger }),
    );
    pools.push(kysely);
    return createRepositories(kysely);
  }

  const live: NonNullable<HttpAppDeps['live']> = {
    subscribe: (filter) => {
      const client = new LiveClient({ filter, limits: { events: 1, characters: 1000 } });
      client.push(null);
      return Promise.resolve(client);
    },
  };

  function create(changes: Partial<HttpAppDeps> = {}) {
    const made = createTestApp({ repositories, live, ...changes });
    apps.push(made.app);
    return made;
  }

  before(async () => {
    database = await createMigratedDatabase();
    repositories = connect(database.url);
    const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    const [first, ...rest] = hourlyCandles(5);
    const recent = rest.map((candle, index) => ({ ...candle, timestamp: now - (index + 2) * HOUR_MS })).toReversed();
    const rows = rowsAlone(pools[0]!);
    await rows.candles(BTC, [...hourlyCandles(5), ...recent]);
    await rows.candles(BTC, [{ ...first!, close: parseDecimal('150.00001') }]);
    await rows.futures(
      'binance',
      'BTC/USDT',
      [0, 1, 2].map((hour) => ({
        timestamp: FIRST_MS + hour * HOUR_MS,
        open_interest: parseDecimal('1000.5'),
        mark_price: parseDecimal('150.1'),
        top_trader_ratio: parseDecimal('1.2'),
        taker_buy_sell_ratio: parseDecimal('0.9'),
        ...(hour === 0 ? { funding_rate: parseDecimal('0.00010000') } : {}),
      })),
    );
    const evidence = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
    await repositories.coverage.record({ ...BTC, metric: 'ohlcv' }, [
      { ...evidence, since: FIRST_MS, until: FIRST_MS + 5 * HOUR_MS, state: 'have' },
      { ...evidence, since: FIRST_MS + 5 * HOUR_MS, until: FIRST_MS + 9 * HOUR_MS, state: 'missing' },
    ]);
    for (const metric of FUTURES_FEEDS)
      await repositories.coverage.record({ ...BTC, metric }, [
        { ...evidence, since: FIRST_MS, until: FIRST_MS + 3 * HOUR_MS, state: 'have' },
      ]);
    const row = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1h', metric: 'ohlcv', source: 'rest' } as const;
    await repositories.quarantine.add([
      { ...row, claimedAt: null, reason: 'no time', raw: '[]' },
      { ...row, claimedAt: FIRST_MS, reason: 'low is above high', raw: '[1]' },
    ]);
    await execute(database.url, 'refresh materialized view recent_ohlcv');
    ({ app } = create());
    document = (await app.inject('/docs/json')).json();
    operations = listOperations(document);
  });
  after(async () => {
    await Promise.all(apps.map((made) => made.close()));
    await Promise.all(pools.map((pool) => pool.destroy()));
    await database.drop();
  });

  const requestOf = ({ id, method, isAdmin, hasBody }: DocumentedOperation): InjectOptions & { url: string } => ({
    method,
    url: REQUESTS[id] ?? `/no request is known for ${id}`,
    headers: isAdmin ? ADMIN : {},
    ...(hasBody ? { payload: { dry_run: true } } : {}),
  });

  function assertAnswers(response: LightMyRequestResponse, answer: DocumentedAnswer, told: string): void {
    assert.equal(response.statusCode, answer.status, `${told}: ${response.body}`);
    const [contentType = null] = (response.headers['content-type'] ?? '').split(';');
    assert.equal(contentType === '' ? null : contentType, answer.contentType, told);
    for (const name of Object.keys(ANSWER_HEADERS))
      if (name in response.headers) assert.ok(answer.headers.includes(name), `${told}: ${name} is not documented`);
    for (const name of answer.headers)
      if (ALWAYS_THERE.test(name)) assert.ok(name in response.headers, `${told}: ${name} is not there`);
    for (const name of answer.headers) if (name in response.headers) seenHeaders.add(name);
    if (answer.contentType === null || answer.schema === null) assert.equal(response.body, '', told);
    else if (/json$/.test(answer.contentType) && answer.contentType !== 'application/x-ndjson')
      assert.equal(findFault(document, answer.schema, response.json()), null, `${told}: ${response.body}`);
    else assert.ok(response.rawPayload.length > 3, told);
  }

  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
    assert.deepEqual([valid, errors ?? null], [true, null]);
    assert.match(document.openapi, /^3\.1\./);
    assert.equal((await app.inject('/docs/yaml')).statusCode, 200);
  });

  it('names each operation once, and this test has a request for each', () => {
    const ids = operations.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(ids.toSorted(), Object.keys(REQUESTS).toSorted());
  });

  it('tells of every path that answers, but the page, the documentation and their files', async () => {
    const { app: watched } = create();
    const [told, hidden] = [new Set<string>(), new Set<string>()];
    watched.addHook('onRoute', ({ method, url, schema }) => {
      for (const each of [method].flat())
        if (each !== 'HEAD') (schema && 'hide' in schema && schema.hide ? hidden : told).add(`${each} ${url}`);
    });
    await watched.ready();
    const documented = operations.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual([...told].toSorted(), documented.toSorted());
    for (const route of hidden) assert.match(route, /^GET \/(page\/:file|docs(\/.*)?)?$/);
  });

  it('is what each operation answers where all is well', async () => {
    for (const operation of operations) {
      const request = requestOf(operation);
      const answers = operation.answers.filter(({ problems }) => problems.length === 0);
      assert.ok(answers.length > 0, operation.id);
      for (const answer of answers) {
        const told = `${operation.id} ${answer.status} ${answer.contentType}`;
        assertAnswers(await provokeSuccess(operation, request, answer), answer, told);
      }
    }
  });

  async function provokeSuccess(
    { id }: DocumentedOperation,
    request: InjectOptions & { url: string },
    { status, contentType }: DocumentedAnswer,
  ): Promise<LightMyRequestResponse> {
    if (status === 503)
      return await create({ probes: createProbes({ phase: () => 'connecting' }) }).app.inject(request);
    const format = FORMATS[contentType ?? ''];
    if (format !== undefined) return await app.inject(`${request.url}&format=${format}`);
    if (status !== 304) return await app.inject(request);
    const { headers } = await app.inject(request);
    assert.equal(typeof headers.etag, 'string', `${id} has an entity tag`);
    return await app.inject({ ...request, headers: { ...request.headers, 'if-none-match': headers.etag } });
  }

  it('is what numbers, arrays, pages and real upgrades look like too', async () => {
    const schemaOf = (id: string) => operations.find((operation) => operation.id === id)!;
    for (const [id, url] of [
      ['listCandles', `/v1/ohlcv?${BTC_1H}&${CLOSED}&numbers=float`],
      ['listCandles', `/v1/ohlcv?${BTC_1H}&${CLOSED}&format=arrays`],
      ['listCandles', `/v1/ohlcv?${BTC_1H}&since=${iso(0)}&limit=2`],
      ['listCandles', `/v1/ohlcv?symbol=BTC/USDT&timeframe=2h&since=${iso(0)}&until=${iso(9)}`],
      ['listCandles', `/v1/ohlcv?${BTC_1H}&since=2010-01-01&until=2010-01-02`],
      ['listRecentCandles', `/v1/recent?${BTC_1H}&numbers=float&limit=1`],
      ['listFutures', `/v1/futures?symbol=BTC/USDT&${CLOSED}&numbers=float`],
      ['listSeries', '/v1/series'],
      ['listRevisions', '/v1/revisions?numbers=float&limit=1'],
      ['listCoverage', '/v1/coverage?state=have'],
      ['udfSymbol', '/udf/symbols?symbol=NO/SUCH'],
      ['udfHistory', '/udf/history?symbol=binance:BTC/USDT&resolution=60&from=1000000000&to=1000003600'],
      ['udfHistory', '/udf/history?symbol=NO/SUCH&resolution=60&from=1&to=2'],
      ['udfHistory', '/udf/history?symbol=binance:BTC/USDT'],
      ['udfSearch', '/udf/search?limit=x'],
    ] as const) {
      const answer = schemaOf(id).answers.find(({ status }) => status === 200)!;
      assertAnswers(await app.inject(url), answer, url);
    }
    const [answer] = schemaOf('upgradeSchema').answers;
    const { app: upgrading } = create();
    for (const payload of [{ dry_run: true }, {}])
      assertAnswers(
        await upgrading.inject({ method: 'POST', url: '/migrations/upgrade', headers: ADMIN, payload }),
        answer!,
        JSON.stringify(payload),
      );
  });

  it('would see an answer that is not as documented', () => {
    const { schema } = operations.find(({ id }) => id === 'isAlive')!.answers.find(({ status }) => status === 200)!;
    assert.equal(findFault(document, schema!, { status: 'alive', phase: 'running' }), null);
    for (const wrong of [
      { status: 'alive' },
      { status: 'alive', phase: 'on fire' },
      { status: 'alive', phase: 'running', x: 1 },
    ])
      assert.notEqual(findFault(document, schema!, wrong), null);
  });

  /** Makes an operation answer each problem, by the last part of its type. */
  const PROVOKE: Readonly<
    Record<
      string,
      (request: InjectOptions & { url: string }, operation: DocumentedOperation) => Promise<LightMyRequestResponse>
    >
  > = {
    'request-invalid': async (request, { hasBody }) =>
      await app.inject(
        hasBody ? { ...request, payload: { to: 5 } } : { ...request, url: withQuery(request.url, 'nonsense=1') },
      ),
    'body-malformed': async (request) => await app.inject(withText(request, '{"to": ')),
    'body-too-large': async (request) => await app.inject(withText(request, `{"to": "${'x'.repeat(70_000)}"}`)),
    'body-type-unsupported': async (request) => await app.inject(withText(request, '<to/>', 'text/xml')),
    'token-required': async (request) => await app.inject({ ...request, headers: {} }),
    'admin-disabled': async (request) => await create({ adminToken: null }).app.inject(request),
    'attempts-exceeded': async (request) => {
      const { app: attacked } = create();
      const wrong = { ...request, headers: { authorization: 'Bearer wrong' } };
      await Promise.all(Array.from({ length: 10 }, () => attacked.inject(wrong)));
      return await attacked.inject(request);
    },
    'rate-limited': async (request) => {
      const { app: limited } = create({ limits: { ...NO_LIMITS, rateLimitPerMinute: 1 } });
      await limited.inject(request);
      return await limited.inject(request);
    },
    'not-running': async (request) =>
      await create({ probes: createProbes({ phase: () => 'connecting' }) }).app.inject(request),
    'database-unavailable': async (request) => {
      // Nothing listens on port 1.
      const away = connect('postgresql://nobody@127.0.0.1:1/nothing');
      const made = create({
        repositories: away,
        plan: async () => {
          await away.ohlcv.listBounds();
          return NOTHING_TO_FETCH;
        },
        live: {
          subscribe: async (filter, id, owner) => {
            await away.ohlcv.listBounds();
            return await live.subscribe(filter, id, owner);
          },
        },
      });
      await away.ohlcv.listBounds().catch((error: unknown) => (made.schema.fault = error as Error));
      return await made.app.inject(request);
    },
    'query-timeout': async (request) => {
      const slow = connect(database.url, 100);
      const made = create({
        repositories: slow,
        live: {
          subscribe: async (filter, id, owner) => {
            await slow.ohlcv.listBounds();
            return await live.subscribe(filter, id, owner);
          },
        },
      });
      const holder = createKysely(() =>
        createPool({ url: database.url, applicationName: 'holder', maxConnections: 1, logger }),
      );
      try {
        return await holder.transaction().execute(async (trx) => {
          const { rows } = await sql<{ name: string }>`
            select quote_ident(relname) as name from pg_class
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`.execute(trx);
          for (const { name } of rows) await sql`lock table ${sql.raw(name)} in access exclusive mode`.execute(trx);
          // A materialized view cannot be locked by name; who renames it locks it.
          await sql`alter materialized view recent_ohlcv rename to held`.execute(trx);
          await sql`alter materialized view held rename to recent_ohlcv`.execute(trx);
          return await made.app.inject(request);
        });
      } finally {
        await holder.destroy();
      }
    },
    'series-unknown': async (request) =>
      await app.inject({ ...request, url: request.url.replace('BTC/USDT', 'NO/SUCH') }),
    'not-acceptable': async (request) => await app.inject({ ...request, headers: { accept: 'image/png' } }),
    'streams-exhausted': async (request) =>
      await create({
        live: {
          subscribe: () =>
            Promise.reject(new RequestError('STREAMS_EXHAUSTED', 'Too many.', { headers: { 'retry-after': '30' } })),
        },
      }).app.inject(request),
    'not-populated': async (request) => {
      await execute(database.url, 'refresh materialized view recent_ohlcv with no data');
      try {
        return await app.inject(request);
      } finally {
        await execute(database.url, 'refresh materialized view recent_ohlcv');
      }
    },
    'revision-unknown': async (request) =>
      await app.inject({ ...request, payload: { to: '0099_none', dry_run: true } }),
    'revision-unfilled': async (request) =>
      await withSchemaFault(request, new MigrationError('no', { revision: '0002_b', code: 'REVISION_UNFILLED' })),
    'downgrade-refused': async (request) => {
      const made = create();
      made.schema.applied = 3;
      return await made.app.inject({ ...request, payload: { to: '0001_a' } });
    },
    'upgrade-in-progress': async (request) =>
      await create({ probes: createProbes({ phase: () => 'migrating' }) }).app.inject({ ...request, payload: {} }),
    'schema-mismatch': async (request) =>
      await withSchemaFault(request, new SchemaMismatchError('it differs', ['x is missing'])),
    'migration-failed': async (request) =>
      await withSchemaFault(request, new MigrationError('it failed', { revision: '0002_b', code: 'MIGRATION_FAILED' })),
    internal: async (request, { id }) => {
      let calls = 0;
      const failOnce = () => {
        if (calls++ === 0) throw new TypeError('a mistake of ours');
        return 'running' as const;
      };
      const metrics = { ...NO_METRICS, render: () => Promise.reject(new TypeError('a mistake of ours')) };
      const changes = id === 'readMetrics' ? { metrics } : { probes: createProbes({ phase: failOnce }) };
      return await create(changes).app.inject(request);
    },
  };

  async function withSchemaFault(request: InjectOptions, fault: Error): Promise<LightMyRequestResponse> {
    const made = create();
    made.schema.fault = fault;
    return await made.app.inject(request);
  }

  it('is what each operation answers to each fault that it tells of', async () => {
    for (const operation of operations) {
      for (const answer of operation.answers) {
        for (const problem of answer.problems) {
          const told = `${operation.id} ${problem}`;
          const provoke = PROVOKE[problem];
          assert.ok(provoke, `${told} can be provoked`);
          const response = await provoke(requestOf(operation), operation);
          assertAnswers(response, answer, told);
          assert.equal(response.json<{ type: string }>().type, `urn:candlekeep:problem:${problem}`, told);
          assert.doesNotMatch(response.body, /node_modules|\.ts:\d|at async|mistake of ours/, 'no stack in an answer');
        }
      }
    }
  });

  it('has answers with each header that it tells of', () => {
    assert.deepEqual([...seenHeaders].toSorted(), Object.keys(ANSWER_HEADERS).toSorted());
  });
});

const withQuery = (url: string, more: string) => url + (url.includes('?') ? '&' : '?') + more;

const withText = (request: InjectOptions, payload: string, type = 'application/json'): InjectOptions => ({
  ...request,
  headers: { ...request.headers, 'content-type': type },
  payload,
});
