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
    const [before, told, after] = [Date.now(), exchange.now() ?? 0, Date.now()];
    // Its clock is ours; of a measurement half the time of the request is uncertain, and that is not more than 500 ms.
    assert.ok(told > before - 1_000 && told < after + 1_000, `${told - before} ms`);
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
});

describe('createExchange', () => {
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
