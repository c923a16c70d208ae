import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { ConfigError, ExchangeRejectedError } from '../../src/errors.ts';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import { FUTURES_FEEDS } from '../../src/market/futures-snapshot.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { startAnsweringServer } from '../support/answering-server.ts';
import { answerAsBinance } from '../support/binance-answers.ts';

const HOUR = 3_600_000;
const T0 = 1706630400000;
const hourly = parseTimeframe('1h');
const range = { since: T0, until: T0 + 3 * HOUR };
const { signal } = new AbortController();
const logger = pino({ level: 'silent' });
const create = (id: string, origin: string) => createExchange({ id, origin, logger, requestTimeoutMs: 5_000 });

const RECORDED = new URL('../../../shared/data/ccxt/', import.meta.url);
const skip = existsSync(RECORDED) ? false : 'the recorded answers (../shared/data) are not here';
function readRecorded(id: string): unknown {
  const { methods } = JSON.parse(readFileSync(new URL(`${id}.json`, RECORDED), 'utf8')) as {
    methods: { fetchOHLCV: { httpResponse: unknown }[] };
  };
  return methods.fetchOHLCV[0]?.httpResponse;
}

/** One spot market each, in the exchanges' own shapes. */
const OKX_MARKET = {
  instType: 'SPOT',
  instId: 'BTC-USDT',
  baseCcy: 'BTC',
  quoteCcy: 'USDT',
  state: 'live',
  tickSz: '0.1',
  lotSz: '0.00000001',
  minSz: '0.00001',
};
const BYBIT_MARKET = {
  symbol: 'BTCUSDT',
  baseCoin: 'BTC',
  quoteCoin: 'USDT',
  status: 'Trading',
  lotSizeFilter: {
    basePrecision: '0.000001',
    quotePrecision: '0.00000001',
    minOrderQty: '0.00001',
    maxOrderQty: '100',
  },
  priceFilter: { tickSize: '0.01' },
};

describe('Binance through ccxt', () => {
  it('gives recorded candles digit by digit', { skip }, async () => {
    const recorded = skip === false ? (readRecorded('binance') as string[][]) : [];
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json: recorded })));
    const exchange = await create('binance', server.origin);
    assert.equal(exchange.now(), null);
    const page = await exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: hourly, range }, signal);
    assert.deepEqual(
      page.candles.map(({ timestamp, open, high, low, close, volume }) => [timestamp, open, high, low, close, volume]),
      recorded.map((row) => row.slice(0, 6)),
    );
    assert.deepEqual([page.rejected, page.answered], [[], range]);
    const asked = server.requests.at(-1);
    assert.equal(asked?.path, '/api/v3/klines');
    assert.deepEqual(Object.fromEntries(asked.query), {
      symbol: 'BTCUSDT',
      interval: '1h',
      limit: '1000',
      startTime: String(T0),
      endTime: String(range.until - 1),
    });
    assert.ok(Math.abs((exchange.now() ?? 0) - Date.now()) < 1_000);
  });

  it('keeps the digits of values that come as JSON numbers, and keeps faulty rows aside', async () => {
    const text = `[[${T0}, 0.00002452, 0.0000246000, 0.00002450, 0.00002452, 2663107.29999999861, 0, "0", 1, "0", "0", "0"],
      [${T0 + HOUR}, "2", "1", "2", "2", "1", 0, "0", 1, "0", "0", "0"], [${T0 + 2 * HOUR}, "2"]]`;
    await using server = await startAnsweringServer(answerAsBinance(() => ({ text })));
    const { candles, rejected } = await (
      await create('binance', server.origin)
    ).fetchCandles({ symbol: 'BTC/USDT', timeframe: hourly, range }, signal);
    assert.deepEqual(candles, [
      {
        timestamp: T0,
        open: '0.00002452',
        high: '0.0000246000',
        low: '0.00002450',
        close: '0.00002452',
        volume: '2663107.29999999861',
      },
    ]);
    assert.deepEqual(
      rejected.map(({ reason, timestamp }) => [reason, timestamp]),
      [
        ['low is above high', T0 + HOUR],
        ['the row has 2 fields instead of 12', T0 + 2 * HOUR],
      ],
    );
  });

  it('lists the spot markets, with whether they trade and have a perpetual', async () => {
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json: [] })));
    const instruments = await (await create('binance', server.origin)).fetchInstruments(signal);
    assert.deepEqual(instruments, [
      { exchange: 'binance', symbol: 'BTC/USDT', base: 'BTC', quote: 'USDT', active: true, hasPerpetual: true },
      { exchange: 'binance', symbol: 'LUNA/USDT', base: 'LUNA', quote: 'USDT', active: false, hasPerpetual: false },
    ]);
    assert.ok(!server.requests.some(({ path }) => path.startsWith('/dapi')), 'inverse markets are never asked for');
  });

  it('asks each futures feed in its own way and never for more than the exchange keeps', async () => {
    const serverTime = T0 + 1_000 * HOUR + 60_000;
    await using server = await startAnsweringServer(
      answerAsBinance(
        ({ query }) => ({ json: [{ fundingTime: Number(query.get('startTime')) + 5, fundingRate: '0.0001' }] }),
        () => serverTime,
      ),
    );
    const exchange = await create('binance', server.origin);
    const pages = new Map<string, Awaited<ReturnType<typeof exchange.fetchFutures>>>();
    const request = { symbol: 'BTC/USDT', range: { since: T0, until: T0 + 2_000 * HOUR } };
    for (const feed of FUTURES_FEEDS) pages.set(feed, await exchange.fetchFutures({ ...request, feed }, signal));
    const asked = server.requests.slice(-5).map(({ path, query }) => {
      const hours = (Number(query.get('endTime')) + 1 - Number(query.get('startTime'))) / HOUR;
      return [path, query.get('symbol'), query.get('period') ?? query.get('interval'), query.get('limit'), hours];
    });
    assert.deepEqual(asked, [
      ['/futures/data/openInterestHist', 'BTCUSDT', '1h', '500', 500],
      ['/futures/data/topLongShortPositionRatio', 'BTCUSDT', '1h', '500', 500],
      ['/futures/data/takerlongshortRatio', 'BTCUSDT', '1h', '500', 500],
      ['/fapi/v1/fundingRate', 'BTCUSDT', null, '1000', 2_000],
      ['/fapi/v1/markPriceKlines', 'BTCUSDT', '1h', '499', 499],
    ]);
    const start = Number(server.requests.at(-5)?.query.get('startTime'));
    assert.ok(start > serverTime - 30 * 24 * HOUR && start < serverTime - 30 * 24 * HOUR + 2 * HOUR);
    assert.equal(pages.get('open_interest')?.answered.since, start, 'what it no longer keeps is not answered');
    assert.deepEqual(pages.get('funding_rate')?.snapshots, [{ timestamp: T0, funding_rate: '0.0001' }]);
    await assert.rejects(
      exchange.fetchFutures({ symbol: 'BTC/USDT', feed: 'open_interest', range }, signal),
      (error) => error instanceof ExchangeRejectedError && error.reason === 'request',
    );
    await assert.rejects(
      exchange.fetchFutures({ symbol: 'LUNA/USDT', feed: 'mark_price', range }, signal),
      (error) => error instanceof ExchangeRejectedError && error.reason === 'symbol',
    );
  });

  it('refuses an unknown timeframe without a request, and an unknown symbol by the list of markets', async () => {
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json: [] })));
    const exchange = await create('binance', server.origin);
    const rejects = (symbol: string, timeframe: string, reason: string) =>
      assert.rejects(
        exchange.fetchCandles({ symbol, timeframe: parseTimeframe(timeframe), range }, signal),
        (error) => error instanceof ExchangeRejectedError && error.reason === reason && error.exchange === 'binance',
      );
    await rejects('BTC/USDT', '7m', 'timeframe');
    assert.equal(server.requests.length, 0);
    await rejects('NOPE/USDT', '1h', 'symbol');
    await rejects('constructor', '1h', 'symbol');
    assert.ok(!server.requests.some(({ path }) => path.endsWith('klines')));
  });
});

describe('other exchanges through ccxt', () => {
  it('gives recorded candles of OKX, oldest first', { skip }, async () => {
    await using server = await startAnsweringServer(({ path, query }) => {
      if (path === '/api/v5/public/time') return { json: { code: '0', data: [{ ts: String(Date.now()) }] } };
      if (path.includes('candles')) return { json: readRecorded('okx') };
      return { json: { code: '0', msg: '', data: query.get('instType') === 'SPOT' ? [OKX_MARKET] : [] } };
    });
    const exchange = await create('okx', server.origin);
    assert.equal(exchange.candleLimit, 300);
    const { candles, answered } = await exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: hourly, range }, signal);
    assert.deepEqual(candles[0], {
      timestamp: T0,
      open: '43377.1',
      high: '43500',
      low: '43220.9',
      close: '43495.9',
      volume: '7137.30786672',
    });
    assert.deepEqual([candles.length, candles[2]?.volume, answered], [3, '5070.79611732', range]);
  });

  it('gives recorded candles of Bybit, oldest first, and no futures data without a perpetual', { skip }, async () => {
    await using server = await startAnsweringServer(({ path, query }) => {
      if (path === '/v5/market/time') return { json: { retCode: 0, time: String(Date.now()), result: {} } };
      if (path.includes('kline')) return { json: readRecorded('bybit') };
      return {
        json: {
          retCode: 0,
          result: { list: query.get('category') === 'spot' ? [BYBIT_MARKET] : [], nextPageCursor: '' },
        },
      };
    });
    const exchange = await create('bybit', server.origin);
    const { candles } = await exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: hourly, range }, signal);
    assert.deepEqual(
      candles.map(({ timestamp, open, volume }) => [timestamp, open, volume]),
      [
        [T0, '43350.7', '1341.261'],
        [T0 + HOUR, '43488', '3199.431'],
        [T0 + 2 * HOUR, '43376.1', '1575.305'],
      ],
    );
    await assert.rejects(
      exchange.fetchFutures({ symbol: 'BTC/USDT', feed: 'mark_price', range }, signal),
      ExchangeRejectedError,
    );
  });

  it('refuses an exchange that is not known, has no spot candles or gets no usable origin', async () => {
    const rejects = (id: string, origin: string | null, problem: RegExp) =>
      assert.rejects(
        createExchange({ id, origin, logger }),
        (error) => error instanceof ConfigError && problem.test(error.message),
      );
    await rejects('binnance', null, /did you mean binance/);
    await rejects('../base/Exchange', null, /not an exchange/);
    await rejects('binanceusdm', null, /no spot candles/);
    await rejects('binance', 'localhost:9001', /not an origin/);
    await rejects('binance', 'file:///tmp', /not an origin/);
  });
});
