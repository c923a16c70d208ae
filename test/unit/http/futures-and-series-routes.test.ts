import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Problem } from '../../../src/http/protocol/problems.ts';
import type { FuturesObject } from '../../../src/http/routes/futures.ts';
import { parseDecimal } from '../../../src/market/decimal.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import { BTC, createProbes, createTestApp, FIRST_MS, get, HOUR_MS, hourlyCandles, iso } from './in-memory.ts';

describe('GET /v1/futures', () => {
  const FUTURES = '/v1/futures?symbol=BTC/USDT';
  const snapshots = Array.from({ length: 6 }, (_, hour) => ({
    timestamp: FIRST_MS + hour * HOUR_MS,
    open_interest: parseDecimal(`${1000 + hour}.123456789`),
    ...(hour === 0 ? { funding_rate: parseDecimal('0.00010000') } : {}),
  }));

  function createFuturesApp() {
    const made = createTestApp();
    made.rows.snapshots.set('binance BTC/USDT', snapshots);
    return made.app;
  }

  it('answers all six metrics, null where one is not known', async () => {
    const page = await get<{ data: FuturesObject[] }>(createFuturesApp(), `${FUTURES}&since=${iso(0)}&until=${iso(1)}`);
    assert.deepEqual(page, {
      exchange: 'binance',
      symbol: 'BTC/USDT',
      complete: true,
      answered: { since: iso(0), until: iso(1) },
      gaps: [],
      next: null,
      data: [
        {
          timestamp: iso(0),
          open_interest: '1000.123456789',
          open_interest_value: null,
          funding_rate: '0.00010000',
          mark_price: null,
          top_trader_ratio: null,
          taker_buy_sell_ratio: null,
        },
      ],
    });
  });

  it('links pages, and answers the newest hours where since is not given', async () => {
    const app = createFuturesApp();
    const page = await get<{ next: string; data: FuturesObject[] }>(app, `${FUTURES}&since=${iso(0)}&limit=4`);
    assert.equal(page.data.length, 4);
    const rest = await get<{ next: string | null; data: FuturesObject[] }>(app, page.next);
    assert.deepEqual([rest.data.map((row) => row.timestamp), rest.next], [[iso(4), iso(5)], null]);
    const newest = await get<{ data: FuturesObject[] }>(app, `${FUTURES}&limit=2`);
    assert.deepEqual(
      newest.data.map((row) => row.timestamp),
      [iso(4), iso(5)],
    );
  });

  it('lets a range be cached only once its last hour has ended', async () => {
    const { app, rows } = createTestApp();
    const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    const open_interest = parseDecimal('5');
    rows.snapshots.set(
      'binance BTC/USDT',
      [-2, -1, 0].map((place) => ({ timestamp: hour + place * HOUR_MS, open_interest })),
    );
    const tagOf = async (until: number) =>
      (await app.inject(`${FUTURES}&since=${hour - 2 * HOUR_MS}&until=${until}`)).headers['etag'];
    assert.equal(typeof (await tagOf(hour)), 'string');
    assert.equal(await tagOf(hour + 1), undefined);
  });

  it('answers 404 with what is stored, and refuses a timeframe', async () => {
    const app = createFuturesApp();
    for (const more of ['', '&since=2026-01-01'])
      assert.match(
        (await get<Problem>(app, `/v1/futures?symbol=DOGE/USDT${more}`, 404)).detail,
        /Stored: binance BTC\/USDT\./,
      );
    const problem = await get<Problem>(app, `${FUTURES}&timeframe=1h`, 400);
    assert.deepEqual(
      problem.errors?.map((fault) => fault.field),
      ['timeframe'],
    );
  });
});

describe('GET /v1/series', () => {
  it('joins what is stored with what is collected', async () => {
    const complete = { state: 'complete', missing: 0, last_error: null, rejected: 1 } as const;
    const refused = { state: 'refused', missing: null, last_error: 'no such market', rejected: 0 } as const;
    const probes = createProbes({
      ingestSeries: () => [
        { exchange: 'binance', symbol: 'NOPE/USDT', timeframe: '1h', ...refused },
        { ...BTC, ...complete },
      ],
    });
    const { app, rows } = createTestApp({ probes });
    rows.put({ ...BTC, timeframe: parseTimeframe('1d') }, hourlyCandles(1));
    const named = { exchange: 'binance', symbol: 'BTC/USDT' };
    assert.deepEqual(await get(app, '/v1/series?counts=true'), {
      data: [
        {
          ...named,
          timeframe: '1d',
          candles: 1,
          first: iso(0),
          last: iso(0),
          last_close: hourlyCandles(1)[0]!.close,
          ...STORED,
        },
        {
          ...named,
          timeframe: '1h',
          candles: 12,
          first: iso(0),
          last: iso(11),
          last_close: hourlyCandles(12)[11]!.close,
          ...complete,
          complete_since: null,
          lost: null,
        },
        {
          ...named,
          symbol: 'NOPE/USDT',
          timeframe: '1h',
          candles: 0,
          first: null,
          last: null,
          last_close: null,
          ...refused,
          complete_since: null,
          lost: null,
        },
      ],
    });
    const { data } = await get<{ data: { candles: number | null }[] }>(app, '/v1/series');
    assert.deepEqual(
      data.map((entry) => entry.candles),
      [null, null, 0],
    );
  });

  const STORED = { state: 'stored', missing: null, complete_since: null, lost: null, last_error: null, rejected: 0 };
});
