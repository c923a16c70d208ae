import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { ExchangeDataError, ExchangeUnavailableError } from '../../src/errors.ts';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { startAnsweringServer, type Request } from '../support/answering-server.ts';
import { answerAsBinance } from '../support/binance-answers.ts';

const HOUR = 3_600_000;
const MB = 1024 * 1024;
const T0 = 1706630400000;
const range = { since: T0, until: T0 + 3 * HOUR };
const { signal } = new AbortController();
const logger = pino({ level: 'silent' });
const create = (id: string, origin: string) => createExchange({ id, origin, logger, requestTimeoutMs: 10_000 });
const fetchCandles = (exchange: Exchange) =>
  exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: parseTimeframe('1h'), range }, signal);
const isDataError = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ExchangeDataError, String(error));
  assert.match(error.message, pattern);
  return true;
};

describe('rows of other times than were asked for', () => {
  const kline = (time: number) => [time, '1', '1', '1', '1', '1', time + HOUR - 1, '0', 1, '0', '0', '0'];
  const newest = Math.floor(Date.now() / HOUR) * HOUR;

  it('are no answer of Binance: the newest, whatever was asked', async () => {
    const json = Array.from({ length: 1000 }, (_, index) => kline(newest - (999 - index) * HOUR));
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json })));
    const asked = /asked for the 1h candles of BTC\/USDT from 2024-01-30T16:00.* rows from other times/;
    await assert.rejects(fetchCandles(await create('binance', server.origin)), isDataError(asked));
  });

  it('are kept aside by Binance where they are few, and the rest of the page is read', async () => {
    const hours = 1000;
    const wanted = { since: T0, until: T0 + hours * HOUR };
    const ahead = newest + 48 * HOUR;
    const json = Array.from({ length: hours }, (_, index) => kline(index === 999 ? ahead : T0 + index * HOUR));
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json })));
    const exchange = await create('binance', server.origin);
    const asked = { symbol: 'BTC/USDT', timeframe: parseTimeframe('1h'), range: wanted };
    const { candles, rejected, answered } = await exchange.fetchCandles(asked, signal);
    assert.equal(candles.length, 999);
    assert.deepEqual(
      rejected.map(({ reason, timestamp }) => [reason, timestamp]),
      [['the opening time lies in the future', ahead]],
    );
    assert.deepEqual(answered, wanted);
  });

  it('are no answer of a futures feed', async () => {
    const json = [{ fundingTime: T0 * 1000, fundingRate: '0.0001' }];
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json })));
    const exchange = await create('binance', server.origin);
    await assert.rejects(
      exchange.fetchFutures({ symbol: 'BTC/USDT', feed: 'funding_rate', range }, signal),
      isDataError(/the funding_rate of BTC\/USDT from .* other times/),
    );
  });

  const market = {
    symbol: 'BTCUSDT',
    baseCoin: 'BTC',
    quoteCoin: 'USDT',
    status: 'Trading',
    lotSizeFilter: { basePrecision: '0.000001', quotePrecision: '0.01', minOrderQty: '0.00001', maxOrderQty: '100' },
    priceFilter: { tickSize: '0.01' },
  };
  /** Bybit with the given opening times, which ccxt's unified call filters before we see them. */
  const answerAsBybit =
    (times: readonly (number | null)[]) =>
    ({ path, query }: Request) => {
      if (path === '/v5/market/time') return { json: { retCode: 0, time: String(Date.now()), result: {} } };
      const rows = times.map((time) => [time === null ? null : String(time), '1', '1', '1', '1', '1', '1']);
      const markets = query.get('category') === 'spot' ? [market] : [];
      const list = path.includes('kline') ? rows : markets;
      return { json: { retCode: 0, result: { category: 'spot', symbol: 'BTCUSDT', list, nextPageCursor: '' } } };
    };
  it('are kept aside where they are few', async () => {
    const times = [T0, T0 + HOUR, (T0 + 2 * HOUR) / 1000, null, T0 - HOUR];
    await using server = await startAnsweringServer(answerAsBybit(times));
    const { candles, rejected } = await fetchCandles(await create('bybit', server.origin));
    assert.deepEqual(
      candles.map(({ timestamp }) => timestamp),
      [T0, T0 + HOUR],
    );
    assert.deepEqual(rejected.map(({ reason }) => reason).toSorted(), [
      'the opening time is not a whole number of milliseconds',
      'the time cannot be in milliseconds: seconds or microseconds?',
    ]);
  });
});

describe('an answer that is too large', () => {
  /** Binance on loopback whose candles are answered by `respond`; `cut` resolves when that connection has closed. */
  async function startBinance(respond: (response: ServerResponse) => void) {
    const cut = Promise.withResolvers<undefined>();
    const answer = answerAsBinance(() => ({ text: '' }));
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      if (pathname === '/api/v3/klines') {
        response.on('close', () => {
          cut.resolve(undefined);
        });
        respond(response);
        return;
      }
      const known = answer({ path: pathname, query: searchParams });
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('json' in known ? JSON.stringify(known.json) : '');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      cut: cut.promise,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  }

  it('is not read to its end, and its connection closed', async () => {
    let written = 0;
    function* listForever() {
      for (const chunk = Buffer.alloc(MB, '['); ; written += chunk.length) yield chunk;
    }
    await using binance = await startBinance((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      Readable.from(listForever()).pipe(response);
    });
    const told = /the 1h candles of BTC\/USDT with status 200 and more than 64 MB.*check what answers at http:/;
    await assert.rejects(fetchCandles(await create('binance', binance.origin)), isDataError(told));
    await binance.cut;
    assert.ok(written > 64 * MB && written < 96 * MB, `${written} bytes were taken`);
  });

  it('is not read at all where its length says so', async () => {
    await using binance = await startBinance((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(400 * MB) });
      response.write('[');
    });
    await assert.rejects(fetchCandles(await create('binance', binance.origin)), isDataError(/more than 64 MB/));
    await binance.cut;
  });

  it('still says how long to wait', async () => {
    await using binance = await startBinance((response) => {
      response.writeHead(429, { 'retry-after': '7', 'content-length': String(400 * MB) });
      response.write('[');
    });
    await assert.rejects(
      fetchCandles(await create('binance', binance.origin)),
      (error) => error instanceof ExchangeUnavailableError && error.retryAfterMs === 7_000,
    );
  });
});

describe('a row of open interest of which one value is empty', () => {
  it('is read for the other one', async () => {
    const json = [{ symbol: 'BTCUSDT', sumOpenInterest: '20403.63700000', sumOpenInterestValue: '', timestamp: T0 }];
    await using server = await startAnsweringServer(
      answerAsBinance(
        () => ({ json }),
        () => T0 + 2 * HOUR,
      ),
    );
    const clock = { now: () => T0 + 2 * HOUR, sleep: () => Promise.resolve() };
    const exchange = await createExchange({ id: 'binance', origin: server.origin, logger, clock });
    const request = { symbol: 'BTC/USDT', feed: 'open_interest', range: { since: T0, until: T0 + HOUR } } as const;
    const { snapshots, rejected } = await exchange.fetchFutures(request, signal);
    assert.deepEqual(snapshots, [{ timestamp: T0, open_interest: '20403.63700000' }]);
    assert.deepEqual(rejected, []);
    await exchange.close();
  });
});
