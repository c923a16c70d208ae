import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Problem } from '../../../src/http/protocol/problems.ts';
import type { Phase } from '../../../src/http/health/health-schema.ts';
import type { CandleObject } from '../../../src/http/formats/rows.ts';
import { createProbes, createTestApp, FIRST_MS, get, HOUR_MS, iso } from './in-memory.ts';

interface CandlePage {
  exchange: string;
  symbol: string;
  timeframe: string;
  next: string | null;
  data: CandleObject[];
}

const OHLCV = '/v1/ohlcv?exchange=binance&symbol=BTC/USDT&timeframe=1h';

describe('GET /v1/ohlcv', () => {
  it('answers [since, until) oldest first, decimals with every stored digit', async () => {
    const { app } = createTestApp();
    const page = await get<CandlePage>(app, `${OHLCV}&since=${iso(2)}&until=${iso(4)}`);
    assert.deepEqual(page, {
      exchange: 'binance',
      symbol: 'BTC/USDT',
      timeframe: '1h',
      built_from: null,
      complete: true,
      answered: { since: iso(2), until: iso(4) },
      gaps: [],
      next: null,
      data: [2, 3].map((hour) => ({
        timestamp: iso(hour),
        open: `${100 + hour}.00002452`,
        high: `${200 + hour}.10`,
        low: '0.000000123456',
        close: `${150 + hour}`,
        volume: '12345678901234.5',
      })),
    });
  });

  it('takes an escaped symbol, epoch milliseconds, lower case, and binance as the default exchange', async () => {
    const { app } = createTestApp();
    const expected = await get<CandlePage>(app, `${OHLCV}&since=${iso(2)}&until=${iso(4)}`);
    const [since, until] = [FIRST_MS + 2 * HOUR_MS, FIRST_MS + 4 * HOUR_MS];
    for (const symbol of ['BTC%2FUSDT', 'btc/usdt'])
      assert.deepEqual(
        await get(app, `/v1/ohlcv?symbol=${symbol}&timeframe=1h&since=${since}&until=${until}`),
        expected,
      );
  });

  it('links pages that together are the range, each candle once', async () => {
    const { app } = createTestApp();
    const seen: string[] = [];
    let url: string | null = `${OHLCV}&since=${iso(0)}&until=${iso(11)}&limit=4`;
    let pages = 0;
    while (url !== null) {
      const page: CandlePage = await get<CandlePage>(app, url);
      seen.push(...page.data.map((candle) => candle.timestamp));
      url = page.next;
      pages++;
      assert.ok(pages <= 3, 'more pages than rows need');
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 11 }, (_, hour) => iso(hour)),
    );
    assert.equal(pages, 3);
  });

  it('links no next page where the last one is exactly full', async () => {
    const { app } = createTestApp();
    const page = await get<CandlePage>(app, `${OHLCV}&since=${iso(0)}&until=${iso(4)}&limit=4`);
    assert.equal(page.data.length, 4);
    assert.equal(page.next, null);
  });

  it('answers the newest candles without since, oldest of them first', async () => {
    const { app } = createTestApp();
    const newest = await get<CandlePage>(app, `${OHLCV}&limit=3`);
    assert.deepEqual(
      newest.data.map((candle) => candle.timestamp),
      [iso(9), iso(10), iso(11)],
    );
    assert.equal(newest.next, null);
    const before = await get<CandlePage>(app, `${OHLCV}&limit=2&until=${iso(5)}`);
    assert.deepEqual(
      before.data.map((candle) => candle.timestamp),
      [iso(3), iso(4)],
    );
  });

  it('answers numbers where they are asked for, in the following pages too', async () => {
    const { app } = createTestApp();
    const page = await get<CandlePage>(app, `${OHLCV}&numbers=float&limit=1&since=${iso(0)}`);
    assert.equal(page.data[0]?.open, 100.00002452);
    assert.match(page.next ?? '', /numbers=float/);
  });

  it('answers no rows, and 200, for a time without candles and for a series that is only being collected', async () => {
    const state = { missing: 5, last_error: null, rejected: 0, state: 'backfilling' } as const;
    const collected = { exchange: 'binance', symbol: 'ETH/USDT', timeframe: '1h', ...state };
    const { app } = createTestApp({ probes: createProbes({ ingestSeries: () => [collected] }) });
    assert.deepEqual((await get<CandlePage>(app, `${OHLCV}&since=2010-01-01&until=2011-01-01`)).data, []);
    assert.deepEqual((await get<CandlePage>(app, '/v1/ohlcv?symbol=ETH/USDT&timeframe=1h')).data, []);
  });

  it('answers 404 with what is stored nearby for an unknown series', async () => {
    const { app, rows } = createTestApp();
    const cases: [string, RegExp][] = [
      ['symbol=BTC/USDT&timeframe=1m', /Stored of binance BTC\/USDT: 1h\./],
      ['symbol=DOGE/USDT&timeframe=1h', /Stored of binance: BTC\/USDT\./],
      ['exchange=kraken&symbol=BTC/USDT&timeframe=1h', /Exchanges with candles: binance\./],
    ];
    for (const [query, detail] of cases) {
      const problem = await get<Problem>(app, `/v1/ohlcv?${query}`, 404);
      assert.equal(problem.type, 'urn:candlekeep:problem:series-unknown');
      assert.match(problem.detail, detail);
      assert.match(problem.detail, /GET \/v1\/series/);
    }
    rows.candles.clear();
    assert.match((await get<Problem>(app, OHLCV, 404)).detail, /No candle is stored at all yet/);
  });

  it('refuses bad parameters and names each', async () => {
    const { app } = createTestApp();
    const good = 'symbol=BTC/USDT&timeframe=1h';
    const cases: [string, string, RegExp][] = [
      ['timeframe=1h', 'symbol', /is required/],
      ['symbol=BTC/USDT', 'timeframe', /is required/],
      ['symbol=BTCUSDT&timeframe=1h', 'symbol', /BASE\/QUOTE/],
      ['symbol=BTC/USDT:USDT&timeframe=1h', 'symbol', /spot symbol/],
      ['symbol=B%00/USDT&timeframe=1h', 'symbol', /control characters/],
      [`symbol=BTC/USDT&timeframe=1h&symbol=ETH/USDT`, 'symbol', /given once/],
      ['symbol=BTC/USDT&timeframe=1x', 'timeframe', /is not a timeframe/],
      [`${good}&exchange=no%20such`, 'exchange', /id of an exchange/],
      [`${good}&limit=0`, 'limit', /1 to 5000/],
      [`${good}&limit=5001`, 'limit', /1 to 5000/],
      [`${good}&limit=ten`, 'limit', /1 to 5000/],
      [`${good}&since=yesterday`, 'since', /ISO 8601/],
      [`${good}&until=1700000000`, 'until', /epoch seconds/],
      [`${good}&since=2026-01-02&until=2026-01-01`, 'since', /before until/],
      [`${good}&since=2026-01-01&until=2026-01-01`, 'since', /before until/],
      [`${good}&since=2500-01-01`, 'since', /which is now/],
      [`${good}&sinse=2026-01-01`, 'sinse', /not a parameter/],
      [`${good}&numbers=bigint`, 'numbers', /string.*float/],
    ];
    for (const [query, field, message] of cases) {
      const problem = await get<Problem>(app, `/v1/ohlcv?${query}`, 400);
      assert.equal(problem.type, 'urn:candlekeep:problem:request-invalid', query);
      assert.deepEqual(
        problem.errors?.map((fault) => fault.field),
        [field],
        query,
      );
      assert.match(problem.errors[0]!.message, message, query);
    }
    const several = await get<Problem>(app, '/v1/ohlcv?limit=0&foo=1', 400);
    assert.deepEqual(several.errors?.map((fault) => fault.field).toSorted(), ['foo', 'limit', 'symbol', 'timeframe']);
  });
});

describe('GET /v1/recent', () => {
  const RECENT = OHLCV.replace('ohlcv', 'recent');

  it('answers the view, paged, with the time of its refresh', async () => {
    const { app } = createTestApp();
    const page = await get<CandlePage & { refreshed_at: string }>(app, `${RECENT}&since=${iso(0)}&limit=5`);
    assert.equal(page.refreshed_at, '2026-01-01T00:00:00.000Z');
    assert.equal(page.data.length, 5);
    assert.match(page.next ?? '', /^\/v1\/recent\?.*since=2026-01-01T05/);
  });

  it('answers the last opening times before until where since is not given', async () => {
    const { app } = createTestApp();
    const page = await get<CandlePage>(app, `${RECENT}&until=${iso(8)}&limit=3`);
    assert.deepEqual(
      page.data.map((candle) => candle.timestamp),
      [iso(5), iso(6), iso(7)],
    );
  });

  it('answers 503 until the view was filled', async () => {
    const { app, rows } = createTestApp();
    rows.isViewPopulated = false;
    const response = await app.inject(RECENT);
    assert.equal(response.statusCode, 503);
    assert.equal(response.headers['retry-after'], '10');
    assert.equal(response.json<Problem>().type, 'urn:candlekeep:problem:not-populated');
  });
});

describe('data routes', () => {
  it('answer 503 with Retry-After and what is going on in every phase but running', async () => {
    for (const phase of ['connecting', 'migrating', 'verifying', 'stopping'] as Phase[]) {
      const probes = createProbes({ phase: () => phase, progress: () => 'revision 3 of 5: 0003_c' });
      const { app } = createTestApp({ probes });
      for (const url of [
        '/v1/series',
        OHLCV,
        OHLCV.replace('ohlcv', 'recent'),
        '/v1/futures?symbol=BTC/USDT',
        '/v1/ohlcv',
      ]) {
        const response = await app.inject(url);
        assert.equal(response.statusCode, 503, url);
        assert.equal(response.headers['retry-after'], '2');
        assert.match(response.json<Problem>().detail, new RegExp(`${phase} \\(revision 3 of 5: 0003_c\\)`));
      }
    }
  });
});
