import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { SYSTEM_CLOCK } from '../../src/clock.ts';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../src/errors.ts';
import { CcxtClient } from '../../src/exchanges/ccxt/ccxt-client.ts';
import { createExchange } from '../../src/exchanges/ccxt/create-exchange.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import type { Candle } from '../../src/market/candle.ts';
import type { FuturesFeed } from '../../src/market/futures-snapshot.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { startAnsweringServer, type AnsweringServer, type Request } from '../support/answering-server.ts';
import { answerAsBybit, answerAsOkx, type AnswerRows } from '../support/bybit-okx-answers.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The first recorded candle, and the moment at which Bybit's were recorded. */
const T0 = 1706630400000;
const RECORDED_AT = 1706803708087;
const DATE = { date: new Date(RECORDED_AT).toUTCString() };
const recordedRange = { since: T0, until: T0 + 3 * HOUR };
const { signal } = new AbortController();
const logger = pino({ level: 'silent' });

type Venue = 'bybit' | 'okx';
const answerAs = { bybit: answerAsBybit, okx: answerAsOkx };
/** An answer in the venue's envelope. */
const wrap = {
  bybit: (list: unknown, result: object = {}) => ({ retCode: 0, retMsg: 'OK', result: { ...result, list } }),
  okx: (data: unknown) => ({ code: '0', msg: '', data }),
};

interface Stage extends AsyncDisposable {
  readonly exchange: Exchange;
  /** The requests other than for markets and time. */
  readonly asked: () => Request[];
}

async function open(venue: Venue, answerRows: AnswerRows, nowMs = RECORDED_AT): Promise<Stage> {
  const server: AnsweringServer = await startAnsweringServer(answerAs[venue](() => nowMs, answerRows));
  const exchange = await createExchange({ id: venue, origin: server.origin, logger, requestTimeoutMs: 10_000 });
  return {
    exchange,
    asked: () => server.requests.filter(({ path }) => !/(instruments|instruments-info|time)$/.test(path)),
    async [Symbol.asyncDispose]() {
      await exchange.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const fetchCandles = (exchange: Exchange, range = recordedRange, timeframe = '1h') =>
  exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: parseTimeframe(timeframe), range }, signal);
const fetchFutures = (exchange: Exchange, feed: FuturesFeed, range = recordedRange) =>
  exchange.fetchFutures({ symbol: 'BTC/USDT', feed, range }, signal);
const fails = (type: abstract new (...args: never[]) => Error, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof type, String(error));
  assert.match(error.message, pattern);
  return true;
};
const listValues = ({ timestamp, open, high, low, close, volume }: Candle) => [
  timestamp,
  open,
  high,
  low,
  close,
  volume,
];
const query = (request: Request | undefined) => Object.fromEntries(request?.query ?? []);

interface Recording {
  readonly httpResponse: unknown;
  readonly parsedResponse: unknown;
}
const pathOf = (venue: Venue) => `../shared/data/ccxt/${venue}.json`;
const isRecorded = existsSync(pathOf('bybit')) && existsSync(pathOf('okx'));
const skip = !isRecorded && '../shared/data/ccxt is absent';

function readRecording(venue: Venue, method: string): Recording {
  const { methods } = JSON.parse(readFileSync(pathOf(venue), 'utf8')) as { methods: Record<string, Recording[]> };
  const [recording] = methods[method] ?? [];
  assert.ok(recording, `${venue} has no recorded ${method}`);
  return recording;
}

for (const venue of ['bybit', 'okx'] as const) {
  describe(`${venue}: recorded candles`, { skip }, () => {
    it('come oldest first with every digit, though the exchange sends the newest first', async () => {
      const { httpResponse, parsedResponse } = readRecording(venue, 'fetchOHLCV');
      await using stage = await open(venue, () => httpResponse);
      const { candles, rejected, answered } = await fetchCandles(stage.exchange);
      const body = httpResponse as { data?: string[][]; result?: { list: string[][] } };
      const raw = (body.data ?? body.result?.list ?? []).toReversed();
      assert.equal(raw.length, 3);
      assert.deepEqual(
        candles.map(listValues),
        raw.map(([time, ...values]) => [Number(time), ...values.slice(0, 5)]),
      );
      // The same rows as ccxt makes of them, which is not exact.
      assert.deepEqual(
        candles.map((candle) => listValues(candle).map(Number)),
        parsedResponse,
      );
      assert.deepEqual(rejected, []);
      assert.deepEqual(answered, recordedRange);
    });
  });

  describe(`${venue}: digits of candles`, () => {
    // Each of them comes out different where a float lay on the way.
    const values = ['0.00000700', '43493.900000000000001', '0.000000245200', '0.10', '2663107.29999999861'];
    const row = [String(T0), ...values, '1', '1', '1'];

    it('stay as they were sent, as texts', async () => {
      await using stage = await open(venue, () => wrap[venue]([row]));
      const { candles } = await fetchCandles(stage.exchange, { since: T0, until: T0 + HOUR });
      assert.deepEqual(candles.map(listValues), [[T0, ...values]]);
    });

    it('stay as they were sent, as bare JSON numbers', async () => {
      const bare = `[${T0},${values.join(',')},1,1,1]`;
      const text = JSON.stringify(wrap[venue](['ROW'])).replace('"ROW"', bare);
      const server = answerAs[venue](
        () => RECORDED_AT,
        () => undefined,
      );
      await using answering = await startAnsweringServer((request) =>
        /candles|kline/.test(request.path) ? { text, headers: DATE } : server(request),
      );
      const exchange = await createExchange({ id: venue, origin: answering.origin, logger, requestTimeoutMs: 10_000 });
      const { candles } = await fetchCandles(exchange, { since: T0, until: T0 + HOUR });
      assert.deepEqual(candles.map(listValues), [[T0, ...values]]);
    });
  });

  describe(`${venue}: markets`, () => {
    it('are the spot markets, each with its own perpetual in the same currency', async () => {
      await using stage = await open(venue, () => undefined);
      const instruments = await stage.exchange.fetchInstruments(signal);
      assert.deepEqual(
        instruments.map(({ symbol, active, hasPerpetual }) => ({ symbol, active, hasPerpetual })),
        [
          { symbol: 'BTC/USDT', active: true, hasPerpetual: true },
          { symbol: 'LUNA/USDT', active: false, hasPerpetual: false },
        ],
      );
    });

    it('tell the exchange apart from its clock', async () => {
      await using stage = await open(venue, () => undefined);
      assert.ok(Math.abs((await stage.exchange.fetchTime(signal)) - RECORDED_AT) < 2_000);
    });

    it('have no futures data where there is no perpetual', async () => {
      await using stage = await open(venue, () => wrap[venue]([]));
      await assert.rejects(
        stage.exchange.fetchFutures({ symbol: 'LUNA/USDT', feed: 'funding_rate', range: recordedRange }, signal),
        fails(ExchangeRejectedError, /no linear perpetual of "LUNA\/USDT"/),
      );
      assert.deepEqual(stage.asked(), []);
    });
  });

  describe(`${venue}: what is no answer`, () => {
    const row = (time: number) => [String(time), '1', '1', '1', '1', '1', '1', '1', '1'];

    for (const [unit, factor] of [
      ['seconds', 0.001],
      ['microseconds', 1000],
    ] as const)
      it(`rows in ${unit}: they must not look like an empty page`, async () => {
        const rows = [row((T0 + HOUR) * factor), row(T0 * factor)];
        await using stage = await open(venue, () => wrap[venue](rows));
        await assert.rejects(fetchCandles(stage.exchange), fails(ExchangeDataError, /rows from other times/));
        await assert.rejects(
          fetchFutures(stage.exchange, 'mark_price'),
          fails(ExchangeDataError, /rows from other times/),
        );
      });

    it('its newest rows of futures data, whatever was asked for', async () => {
      const rows = [row(RECORDED_AT - (RECORDED_AT % HOUR))];
      await using stage = await open(venue, () => wrap[venue](rows));
      await assert.rejects(
        fetchFutures(stage.exchange, 'mark_price'),
        fails(ExchangeDataError, /rows from other times/),
      );
    });

    it('an envelope without rows', async () => {
      await using stage = await open(venue, () => (venue === 'bybit' ? { retCode: 0, result: {} } : { code: '0' }));
      for (const feed of stage.exchange.futuresFeeds.keys())
        await assert.rejects(
          fetchFutures(stage.exchange, feed),
          fails(ExchangeDataError, /something else than a list of rows/),
          feed,
        );
    });

    it('its own words for too many requests, sent with status 200', async () => {
      const body =
        venue === 'bybit'
          ? { retCode: 10006, retMsg: 'Too many visits!', result: {} }
          : { code: '50011', msg: 'Too Many Requests', data: [] };
      await using stage = await open(venue, () => body);
      await assert.rejects(fetchFutures(stage.exchange, 'funding_rate'), fails(ExchangeUnavailableError, /./));
    });

    it('a feed that it does not offer', async () => {
      await using stage = await open(venue, () => wrap[venue]([]));
      for (const feed of ['top_trader_ratio', 'taker_buy_sell_ratio'] as const) {
        assert.ok(!stage.exchange.futuresFeeds.has(feed));
        await assert.rejects(
          fetchFutures(stage.exchange, feed),
          fails(ExchangeRejectedError, new RegExp(`futures data \\(${feed}\\) is not collected from ${venue}`)),
        );
      }
      assert.deepEqual(stage.asked(), []);
    });
  });

  describe(`${venue}: funding`, () => {
    const settlement = (time: number, rate: string) =>
      venue === 'bybit'
        ? { symbol: 'BTCUSDT', fundingRate: rate, fundingRateTimestamp: String(time) }
        : {
            instType: 'SWAP',
            instId: 'BTC-USDT-SWAP',
            fundingRate: '9',
            realizedRate: rate,
            fundingTime: String(time),
          };
    const limit = venue === 'bybit' ? 200 : 100;

    it('is what was paid, with its digits and its sign, under its hour', async () => {
      const rows = [
        settlement(T0 + 16 * HOUR + 19, '-0.00046295'),
        settlement(T0 + 8 * HOUR, '0.0001000000000000005551'),
        settlement(T0 + 7, '0'),
      ];
      await using stage = await open(venue, () => wrap[venue](rows));
      const range = { since: T0, until: T0 + DAY };
      const { snapshots, rejected, answered } = await fetchFutures(stage.exchange, 'funding_rate', range);
      assert.deepEqual(snapshots, [
        { timestamp: T0, funding_rate: '0' },
        { timestamp: T0 + 8 * HOUR, funding_rate: '0.0001000000000000005551' },
        { timestamp: T0 + 16 * HOUR, funding_rate: '-0.00046295' },
      ]);
      assert.deepEqual(rejected, []);
      assert.deepEqual(answered, range);
    });

    it('keeps the digits of bare JSON numbers', async () => {
      const { quoted, bare } = { quoted: '"0.1234567890123456789"', bare: '0.1234567890123456789' };
      const text = JSON.stringify(wrap[venue]([settlement(T0, '0.1234567890123456789')])).replace(quoted, bare);
      const server = answerAs[venue](
        () => RECORDED_AT,
        () => undefined,
      );
      await using answering = await startAnsweringServer((request) =>
        request.path.includes('funding') ? { text, headers: DATE } : server(request),
      );
      const exchange = await createExchange({ id: venue, origin: answering.origin, logger, requestTimeoutMs: 10_000 });
      const { snapshots } = await fetchFutures(exchange, 'funding_rate');
      assert.deepEqual(snapshots, [{ timestamp: T0, funding_rate: '0.1234567890123456789' }]);
    });

    it('asks for no more settlements of 8 hours than one answer holds', async () => {
      await using stage = await open(venue, () => wrap[venue]([]));
      const since = T0 - 80 * DAY;
      const { answered } = await fetchFutures(stage.exchange, 'funding_rate', { since, until: T0 });
      const until = Math.min(T0, since + (limit - 1) * 8 * HOUR);
      assert.deepEqual(answered, { since, until });
      assert.deepEqual(
        query(stage.asked()[0]),
        venue === 'bybit'
          ? { category: 'linear', symbol: 'BTCUSDT', startTime: `${since}`, endTime: `${until - 1}`, limit: '200' }
          : { instId: 'BTC-USDT-SWAP', before: `${since - 1}`, after: `${until - 1}`, limit: '100' },
      );
    });

    it('believes of a full page only what lies between its rows', async () => {
      const since = T0 - 60 * DAY;
      const first = since + 100 * HOUR;
      const rows = Array.from({ length: limit }, (_, index) => settlement(first + index * HOUR, '0.0001')).toReversed();
      await using stage = await open(venue, () => wrap[venue](rows));
      const { answered, snapshots } = await fetchFutures(stage.exchange, 'funding_rate', { since, until: T0 });
      assert.equal(snapshots.length, limit);
      assert.deepEqual(answered, { since: first, until: first + limit * HOUR });
    });
  });

  describe(`${venue}: mark price`, () => {
    it('is the open of the hour, final as soon as the hour has begun', async () => {
      const begun = RECORDED_AT - (RECORDED_AT % HOUR);
      const rows = [
        [String(begun), '68649.90', '68650', '68000.1', '68123.45', '0'],
        [String(begun - HOUR), '68591.460', '68600', '68000', '68649.9', '1'],
      ];
      await using stage = await open(venue, () => wrap[venue](rows, { symbol: 'BTCUSDT' }));
      const range = { since: begun - HOUR, until: begun + HOUR };
      const { snapshots } = await fetchFutures(stage.exchange, 'mark_price', range);
      assert.deepEqual(snapshots, [
        { timestamp: begun - HOUR, mark_price: '68591.460' },
        { timestamp: begun, mark_price: '68649.90' },
      ]);
    });
  });
}

describe('bybit: open interest', () => {
  it('is in the base currency, at the moment, with its digits; the history has no value', async () => {
    const rows = [
      { openInterest: '69655.81300000', timestamp: String(T0 + HOUR) },
      { openInterest: '2663107.29999999861', timestamp: String(T0) },
    ];
    await using stage = await open('bybit', () => wrap.bybit(rows, { symbol: 'BTCUSDT', category: 'linear' }));
    const range = { since: T0, until: T0 + 2 * HOUR };
    const { snapshots, answered } = await fetchFutures(stage.exchange, 'open_interest', range);
    assert.deepEqual(snapshots, [
      { timestamp: T0, open_interest: '2663107.29999999861' },
      { timestamp: T0 + HOUR, open_interest: '69655.81300000' },
    ]);
    assert.deepEqual(answered, range);
    const { intervalTime, category, symbol } = query(stage.asked()[0]);
    assert.deepEqual([intervalTime, category, symbol], ['1h', 'linear', 'BTCUSDT']);
  });

  it('of another contract is no answer', async () => {
    const rows = [{ openInterest: '1', timestamp: String(T0) }];
    await using stage = await open('bybit', () => wrap.bybit(rows, { symbol: 'ETHUSDT', category: 'linear' }));
    await assert.rejects(
      fetchFutures(stage.exchange, 'open_interest'),
      fails(ExchangeDataError, /something else than a list of rows/),
    );
  });
});

describe('okx: recorded open interest', { skip }, () => {
  interface Interest {
    readonly oi: string;
    readonly oiCcy: string;
    readonly oiUsd: string;
  }
  const readRow = () => (readRecording('okx', 'fetchOpenInterest').httpResponse as { data: Interest[] }).data[0];

  it('keeps its digits through ccxt, of which a float would lose some', async () => {
    const { httpResponse } = readRecording('okx', 'fetchOpenInterest');
    await using server = await startAnsweringServer(answerAsOkx(Date.now, () => httpResponse));
    const { origin } = server;
    const client = await CcxtClient.create({
      id: 'okx',
      origin,
      requestTimeoutMs: 10_000,
      spacesRequests: true,
      clock: SYSTEM_CLOCK,
      logger,
    });
    const interest = await client.call(
      async (instance) => {
        await instance.loadMarkets();
        const { fetchOpenInterest } = instance as unknown as Record<string, (symbol: string) => Promise<unknown>>;
        return (await fetchOpenInterest?.call(instance, 'BTC/USDT:USDT')) as Record<string, unknown>;
      },
      { subject: 'the open interest', signal },
    );
    assert.equal(interest['openInterestAmount'], '2663107.29999999861');
    assert.equal(interest['openInterestValue'], '1676426045.349999124995');
    assert.notEqual(String(Number('2663107.29999999861')), '2663107.29999999861');
  });

  it('is the amount in the base currency, not the number of contracts', async () => {
    const row = readRow();
    assert.ok(row);
    const { oi, oiCcy, oiUsd } = row;
    await using stage = await open('okx', () => wrap.okx([[String(T0), oi, oiCcy, oiUsd]]));
    const { snapshots } = await fetchFutures(stage.exchange, 'open_interest');
    assert.deepEqual(snapshots, [{ timestamp: T0, open_interest: '26631.0729999999861' }]);
  });
});

describe('okx: open interest', () => {
  const row = (time: number) => [String(time), '100', '1.0', '42000'];

  it('of an hour that has not ended is not final', async () => {
    const begun = RECORDED_AT - (RECORDED_AT % HOUR);
    await using stage = await open('okx', () => wrap.okx([row(begun), row(begun - HOUR)]));
    const range = { since: begun - HOUR, until: begun + HOUR };
    const { snapshots, answered } = await fetchFutures(stage.exchange, 'open_interest', range);
    assert.deepEqual(
      snapshots.map(({ timestamp }) => timestamp),
      [begun - HOUR],
    );
    assert.deepEqual(answered, { since: begun - HOUR, until: begun });
    assert.equal(stage.exchange.futuresFeeds.get('open_interest')?.periodMs, HOUR);
  });

  it('asks for hours of one contract', async () => {
    await using stage = await open('okx', () => wrap.okx([row(T0)]));
    await fetchFutures(stage.exchange, 'open_interest');
    const [request] = stage.asked();
    assert.equal(request?.path, '/api/v5/rubik/stat/contracts/open-interest-history');
    assert.deepEqual(query(request), {
      instId: 'BTC-USDT-SWAP',
      period: '1H',
      begin: `${T0 - 1}`,
      end: `${T0 + 3 * HOUR - 1}`,
      limit: '100',
    });
  });

  it('is not asked for where it was deleted, and begins where it was not', async () => {
    await using stage = await open('okx', () => wrap.okx([]));
    const old = { since: RECORDED_AT - 90 * DAY, until: RECORDED_AT - 61 * DAY };
    await assert.rejects(
      fetchFutures(stage.exchange, 'open_interest', old),
      fails(ExchangeRejectedError, /it keeps them from 2023-12-0\d/),
    );
    assert.deepEqual(stage.asked(), []);
    const across = { since: RECORDED_AT - 61 * DAY, until: RECORDED_AT - 59 * DAY };
    const { answered } = await fetchFutures(stage.exchange, 'open_interest', across);
    assert.ok(answered.since > RECORDED_AT - 60 * DAY && answered.since < RECORDED_AT - 60 * DAY + 2 * HOUR);
  });
});

describe('okx: mark price', () => {
  it('comes from the call that reaches back far enough', async () => {
    await using stage = await open('okx', () => wrap.okx([]));
    const old = RECORDED_AT - (RECORDED_AT % HOUR) - 1440 * HOUR;
    await fetchFutures(stage.exchange, 'mark_price', { since: old, until: old + HOUR });
    await fetchFutures(stage.exchange, 'mark_price', { since: old + 10 * HOUR, until: old + 11 * HOUR });
    assert.deepEqual(
      stage.asked().map(({ path }) => path),
      ['/api/v5/market/history-mark-price-candles', '/api/v5/market/mark-price-candles'],
    );
  });
});

describe('okx: candles that it does not confirm', () => {
  const begun = RECORDED_AT - (RECORDED_AT % HOUR);
  const row = (time: number, confirm?: string) => [
    String(time),
    ...['43398.6', '43493.9', '43279.9', '43373.9', '5070.79611732', '1', '1'],
    ...(confirm === undefined ? [] : [confirm]),
  ];
  const times = ({ candles }: { candles: readonly { timestamp: number }[] }) =>
    candles.map(({ timestamp }) => timestamp);

  it('are never given, though by the clock one has ended: the answer ends before them', async () => {
    const nowMs = begun + 20_000;
    const rows = [row(begun, '0'), row(begun - HOUR, '0'), row(begun - 2 * HOUR, '1')];
    await using stage = await open('okx', () => wrap.okx(rows), nowMs);
    const page = await fetchCandles(stage.exchange, { since: begun - 2 * HOUR, until: begun });
    assert.deepEqual(times(page), [begun - 2 * HOUR]);
    assert.deepEqual(page.rejected, []);
    assert.deepEqual(page.answered, { since: begun - 2 * HOUR, until: begun - HOUR });
  });

  it('are given when it confirms them', async () => {
    const rows = [row(begun, '0'), row(begun - HOUR, '1'), row(begun - 2 * HOUR, '1')];
    await using stage = await open('okx', () => wrap.okx(rows), begun + 20_000);
    const page = await fetchCandles(stage.exchange, { since: begun - 2 * HOUR, until: begun });
    assert.deepEqual(times(page), [begun - 2 * HOUR, begun - HOUR]);
    assert.deepEqual(page.answered, { since: begun - 2 * HOUR, until: begun });
  });

  it('alone are no answer yet', async () => {
    await using stage = await open('okx', () => wrap.okx([row(begun - HOUR, '0')]), begun + 20_000);
    await assert.rejects(
      fetchCandles(stage.exchange, { since: begun - HOUR, until: begun }),
      fails(ExchangeDataError, /has not completed the 1h candles of BTC\/USDT yet/),
    );
  });

  it('hold nothing up for ever: long after their end the row is kept aside and the rest is given', async () => {
    const rows = [row(T0 + 2 * HOUR, '1'), row(T0 + HOUR, '0'), row(T0, '1')];
    await using stage = await open('okx', () => wrap.okx(rows));
    const page = await fetchCandles(stage.exchange);
    assert.deepEqual(times(page), [T0, T0 + 2 * HOUR]);
    assert.deepEqual(page.answered, recordedRange);
    assert.equal(page.rejected.length, 1);
    assert.equal(page.rejected[0]?.timestamp, T0 + HOUR);
    assert.match(page.rejected[0].reason, /still calls the candle incomplete/);
  });

  it('are kept aside where the row says nothing of it', async () => {
    await using stage = await open('okx', () => wrap.okx([row(T0 + HOUR, '1'), row(T0)]));
    const page = await fetchCandles(stage.exchange);
    assert.deepEqual(times(page), [T0 + HOUR]);
    assert.match(page.rejected[0]?.reason ?? '', /does not say whether the candle is complete/);
  });

  it('days are those of UTC, not of Hong Kong', async () => {
    const day = T0 - (T0 % DAY);
    await using stage = await open('okx', () => wrap.okx([row(day - DAY, '1')]));
    const page = await fetchCandles(stage.exchange, { since: day - DAY, until: day }, '1d');
    assert.deepEqual(times(page), [day - DAY]);
    assert.equal(stage.asked()[0]?.query.get('bar'), '1Dutc');
  });

  it('asks for what was asked for, in pages of 300', async () => {
    await using stage = await open('okx', () => wrap.okx([]));
    assert.equal(stage.exchange.candleLimit, 300);
    await fetchCandles(stage.exchange, { since: T0 - 400 * HOUR, until: T0 });
    const { before, after, limit, instId, bar } = query(stage.asked()[0]);
    assert.deepEqual(
      { before, after, limit, instId, bar },
      {
        before: `${T0 - 400 * HOUR - 1}`,
        after: `${T0 - 100 * HOUR - 1}`,
        limit: '300',
        instId: 'BTC-USDT',
        bar: '1H',
      },
    );
  });
});
