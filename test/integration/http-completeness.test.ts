import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import type { Problem } from '../../src/http/protocol/problems.ts';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import { LedgerTotals } from '../../src/http/health/ledger-totals.ts';
import type { CoverageObject } from '../../src/http/routes/coverage.ts';
import type { CoverageKey, CoverageRange } from '../../src/market/coverage.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { waitUntil } from '../support/patience.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { createMigratedDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import {
  BTC,
  createProbes,
  createRecordingLogger,
  createTestApp,
  FIRST_MS,
  get as getFrom,
  HOUR_MS,
  hourlyCandles,
  NOTHING_TO_FETCH,
  iso,
  TOKEN,
} from '../unit/http/in-memory.ts';

interface Paged<T> {
  next: string | null;
  data: T[];
}

const { logger } = createRecordingLogger();
const KEY: CoverageKey = { ...BTC, metric: 'ohlcv' };
const at = (hour: number) => FIRST_MS + hour * HOUR_MS;

function range(since: number, until: number, changes: Partial<CoverageRange> = {}): CoverageRange {
  const none = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
  return { since: at(since), until: at(until), state: 'have', ...none, ...changes };
}

describe('the routes of completeness over PostgreSQL', () => {
  let database: TestDatabase;
  let kysely: ReturnType<typeof createKysely>;
  let repositories: Repositories;
  let app: HttpApp;

  before(async () => {
    database = await createMigratedDatabase();
    kysely = createKysely(() => createPool({ url: database.url, applicationName: 'test', maxConnections: 2, logger }));
    repositories = createRepositories(kysely);
    ({ app } = createTestApp({ repositories }));
    await rowsAlone(kysely).candles(BTC, hourlyCandles(5));
    const asked = { asks: 2, firstAskedAt: at(20), lastAskedAt: at(21), reason: 'two answers had nothing there' };
    await repositories.coverage.record(KEY, [
      range(0, 5),
      range(5, 7, { ...asked, state: 'confirmed_empty' }),
      range(7, 12, { state: 'missing' }),
      range(12, 13),
      range(13, 20, {
        state: 'missing',
        asks: 1,
        firstAskedAt: at(20),
        lastAskedAt: at(20),
        reason: 'an empty answer',
      }),
    ]);
    await repositories.coverage.record({ ...KEY, symbol: 'ETH/USDT', metric: 'funding_rate' }, [
      range(0, 8, { state: 'out_of_window', reason: 'it is deleted after 30 days' }),
    ]);
    const [candle] = hourlyCandles(1);
    await rowsAlone(kysely).candles(BTC, [{ ...candle!, close: parseDecimal('150.00001') }]);
    await repositories.quarantine.add(
      ['low is above high', 'volume is negative', 'off the grid'].map((reason, index) => ({
        exchange: 'binance',
        symbol: 'BTC/USDT',
        timeframe: '1h',
        metric: 'ohlcv' as const,
        claimedAt: index === 0 ? null : at(index),
        reason,
        raw: `[${index}]`,
        source: index === 2 ? ('stream' as const) : ('rest' as const),
      })),
    );
  });
  after(async () => {
    await kysely.destroy();
    await database.drop();
  });

  const get = <T>(url: string, status = 200) => getFrom<T>(app, url, status);

  it('answer every range with its state and evidence', async () => {
    const { data, next } = await get<Paged<CoverageObject>>('/v1/coverage?symbol=BTC/USDT');
    assert.equal(next, null);
    assert.deepEqual(
      data.map(({ state, slots }) => [state, slots]),
      [
        ['have', 5],
        ['confirmed_empty', 2],
        ['missing', 5],
        ['have', 1],
        ['missing', 7],
      ],
    );
    assert.deepEqual(data[1], {
      exchange: 'binance',
      symbol: 'BTC/USDT',
      timeframe: '1h',
      metric: 'ohlcv',
      since: iso(5),
      until: iso(7),
      state: 'confirmed_empty',
      slots: 2,
      asks: 2,
      first_asked_at: iso(20),
      last_asked_at: iso(21),
      reason: 'two answers had nothing there',
    });
  });

  it('filter by state, metric and time, clipped, and page by the place that next names', async () => {
    const clipped = await get<Paged<CoverageObject>>(
      `/v1/coverage?symbol=BTC/USDT&since=${iso(3)}&until=${iso(8)}&limit=2`,
    );
    assert.deepEqual(
      clipped.data.map((entry) => [entry.since, entry.until, entry.slots]),
      [
        [iso(3), iso(5), 2],
        [iso(5), iso(7), 2],
      ],
    );
    const rest = await get<Paged<CoverageObject>>(clipped.next ?? '');
    assert.deepEqual([rest.next, rest.data.map((entry) => [entry.since, entry.until])], [null, [[iso(7), iso(8)]]]);
    const other = await get<Paged<CoverageObject>>('/v1/coverage?metric=funding_rate&state=out_of_window');
    assert.deepEqual(
      other.data.map(({ symbol, reason }) => [symbol, reason]),
      [['ETH/USDT', 'it is deleted after 30 days']],
    );
    assert.deepEqual((await get<Paged<CoverageObject>>('/v1/coverage?exchange=kraken')).data, []);
  });

  it('answer what is still missing as gaps', async () => {
    const first = await get<Paged<CoverageObject>>('/v1/gaps?limit=1');
    assert.deepEqual(
      first.data.map((gap) => [gap.since, gap.until, gap.asks]),
      [[iso(7), iso(12), 0]],
    );
    const second = await get<Paged<CoverageObject>>(first.next ?? '');
    assert.deepEqual(
      second.data.map((gap) => [gap.since, gap.asks, gap.reason]),
      [[iso(13), 1, 'an empty answer']],
    );
    assert.equal(second.next, null);
  });

  it('sum up each key and all of them', async () => {
    const { total, data } = await get<{ total: object; data: { symbol: string; slots: object; ranges: number }[] }>(
      '/v1/coverage/summary',
    );
    assert.deepEqual(total, { have: 6, missing: 12, confirmed_empty: 2, refused: 0, out_of_window: 8 });
    assert.deepEqual(
      data.map(({ symbol, ranges }) => [symbol, ranges]),
      [
        ['BTC/USDT', 5],
        ['ETH/USDT', 1],
      ],
    );
    const one = await get<{ total: { have: number } }>('/v1/coverage/summary?symbol=ETH/USDT');
    assert.equal(one.total.have, 0);
  });

  it('answer quarantined rows, newest first', async () => {
    const page = await get<Paged<Record<string, unknown>>>('/v1/quarantine?limit=2');
    assert.deepEqual(page.data.length, 2);
    const rest = await get<Paged<Record<string, unknown>>>(page.next ?? '');
    assert.equal(rest.next, null);
    const rows = [...page.data, ...rest.data];
    assert.deepEqual(rows.map(({ reason }) => reason).toSorted(), [
      'low is above high',
      'off the grid',
      'volume is negative',
    ]);
    const negative = rows.find(({ reason }) => reason === 'volume is negative');
    assert.deepEqual(
      [negative?.['claimed_at'], negative?.['raw'], negative?.['seen'], negative?.['source']],
      [iso(1), '[1]', 1, 'rest'],
    );
    const streamed = await get<Paged<Record<string, unknown>>>('/v1/quarantine?source=stream');
    assert.deepEqual(
      streamed.data.map(({ reason }) => reason),
      ['off the grid'],
    );
  });

  it('answer rewritten candles with both values', async () => {
    const { data } = await get<Paged<Record<string, unknown>>>('/v1/revisions?symbol=BTC/USDT&timeframe=1h');
    assert.equal(data.length, 1);
    const { id, changed_at, ...rest } = data[0] ?? {};
    assert.match(String(id), /^\d+$/);
    assert.ok(Date.parse(String(changed_at)) > Date.now() - 600_000);
    const values = { open: '100.00002452', high: '200.10', low: '0.000000123456', volume: '12345678901234.5' };
    assert.deepEqual(rest, {
      exchange: 'binance',
      symbol: 'BTC/USDT',
      timeframe: '1h',
      timestamp: iso(0),
      old: { ...values, close: '150' },
      new: { ...values, close: '150.00001' },
    });
    assert.deepEqual((await get<Paged<object>>(`/v1/revisions?since=${iso(1)}`)).data, []);
    const floats = await get<Paged<{ new: { close: number } }>>('/v1/revisions?numbers=float');
    assert.equal(floats.data[0]?.new.close, 150.00001);
  });

  it('refuse what they do not know, and say what they take', async () => {
    for (const [url, detail] of [
      ['/v1/coverage?state=lost', /state must be one of have, missing/],
      ['/v1/coverage?metric=volume', /metric must be one of ohlcv, open_interest/],
      ['/v1/gaps?state=have', /state is not a parameter of this path/],
      ['/v1/gaps?after=somewhere', /after must be the place/],
      [`/v1/gaps?since=${iso(2)}&until=${iso(1)}`, /empty/],
      ['/v1/quarantine?before=last', /before must be the id of a row/],
      ['/v1/revisions?metric=ohlcv', /metric is not a parameter/],
    ] as const)
      assert.match((await get<Problem>(url, 400)).detail, detail, url);
  });

  it('give the plan to admins, one at a time', async () => {
    let plans = 0;
    const PLAN = { ...NOTHING_TO_FETCH, total: { ...NOTHING_TO_FETCH.total, requests: 7250 } };
    const held = Promise.withResolvers<undefined>();
    const { app: planning } = createTestApp({
      repositories,
      plan: async () => {
        plans++;
        await held.promise;
        return PLAN;
      },
    });
    let reached = 0;
    planning.addHook('preHandler', (_request, _reply, done) => {
      reached++;
      done();
    });
    assert.equal((await planning.inject('/v1/plan')).statusCode, 401);
    const headers = { authorization: `Bearer ${TOKEN}` };
    reached = 0;
    const asked = [planning.inject({ url: '/v1/plan', headers }), planning.inject({ url: '/v1/plan', headers })];
    await waitUntil(() => reached === 2, 'both requests');
    held.resolve(undefined);
    for (const answer of await Promise.all(asked)) assert.deepEqual([answer.statusCode, answer.json()], [200, PLAN]);
    assert.equal(plans, 1);
    assert.equal((await planning.inject({ url: '/v1/plan', headers })).statusCode, 200);
    assert.equal(plans, 2);
  });

  it('wait for the service to run', async () => {
    const { app: starting } = createTestApp({ repositories, probes: createProbes({ phase: () => 'migrating' }) });
    for (const path of ['/v1/coverage', '/v1/coverage/summary', '/v1/gaps', '/v1/quarantine', '/v1/revisions'])
      assert.equal((await starting.inject(path)).statusCode, 503, path);
  });

  it('count the ledger for health', async () => {
    const totals = new LedgerTotals({ ...repositories, isReady: () => true, logger });
    await totals.count();
    const { slots, groups, quarantine, revisions, last_error } = totals.snapshot();
    assert.deepEqual([slots?.have, slots?.missing, quarantine, revisions, last_error], [6, 12, 3, 1, null]);
    assert.deepEqual(groups.map(({ metric }) => metric).toSorted(), ['funding_rate', 'ohlcv']);
  });

  it('say of a series from when on it is complete, and how much of it is lost', async () => {
    const SOL = { ...BTC, symbol: 'SOL/USDT' };
    const ADA = { ...BTC, symbol: 'ADA/USDT' };
    const of = (series: typeof BTC): CoverageKey => ({ ...series, metric: 'ohlcv' });
    await repositories.coverage.record(of(SOL), [
      range(-9, -2, { state: 'out_of_window' }),
      range(-2, 2, { state: 'refused' }),
      range(2, 5),
      range(5, 7, { state: 'confirmed_empty' }),
      range(7, 9),
    ]);
    // Nothing is known of two hours.
    await repositories.coverage.record(of(ADA), [range(0, 3), range(5, 8), range(8, 9, { state: 'confirmed_empty' })]);
    await repositories.wantedWindows.note([{ key: of(SOL), since: at(-4) }], 'r');
    await rowsAlone(kysely).candles(SOL, hourlyCandles(1));
    await rowsAlone(kysely).candles(ADA, hourlyCandles(1));
    const { data } = await getFrom<{ data: { symbol: string; complete_since: string | null; lost: number | null }[] }>(
      app,
      '/v1/series',
    );
    const told = (symbol: string) => {
      const found = data.find((entry) => entry.symbol === symbol);
      return [found?.complete_since, found?.lost];
    };
    // Of what lies before the window nothing is wanted.
    assert.deepEqual(told(SOL.symbol), [iso(2), 2 + 4]);
    assert.deepEqual(told(ADA.symbol), [iso(5), 0]);
    assert.deepEqual(told(BTC.symbol), [null, 0], 'its newest slots are missing');
    await kysely.deleteFrom('coverage').where('symbol', 'in', [SOL.symbol, ADA.symbol]).execute();
    await kysely.deleteFrom('ohlcv_data').where('symbol', 'in', [SOL.symbol, ADA.symbol]).execute();
  });
});
