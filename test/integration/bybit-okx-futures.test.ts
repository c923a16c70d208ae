import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SYSTEM_CLOCK } from '../../src/clock.ts';
import { ExchangeDataError, ExchangeRejectedError } from '../../src/errors.ts';
import { CcxtClient } from '../../src/exchanges/ccxt/ccxt-client.ts';
import { startAnsweringServer } from '../support/answering-server.ts';
import { answerAsOkx } from '../support/bybit-okx-answers.ts';
import {
  AT_ONCE,
  DAY,
  HOUR,
  RECORDED_AT,
  T0,
  VENUES,
  fails,
  fetchFutures,
  logger,
  openVenue,
  openVenueWithText,
  query,
  readRecording,
  signal,
  skip,
  wrap,
} from '../support/bybit-okx-stage.ts';

for (const venue of VENUES) {
  describe(`${venue}: funding`, AT_ONCE, () => {
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
      await using stage = await openVenue(venue, () => wrap[venue](rows));
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
      const [quoted, bare] = ['"0.1234567890123456789"', '0.1234567890123456789'];
      const text = JSON.stringify(wrap[venue]([settlement(T0, bare)])).replace(quoted, bare);
      assert.ok(!text.includes(quoted));
      await using stage = await openVenueWithText(venue, text);
      const { snapshots } = await fetchFutures(stage.exchange, 'funding_rate');
      assert.deepEqual(snapshots, [{ timestamp: T0, funding_rate: '0.1234567890123456789' }]);
    });

    it('asks for no more settlements of 8 hours than one answer holds', async () => {
      await using stage = await openVenue(venue, () => wrap[venue]([]));
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
      await using stage = await openVenue(venue, () => wrap[venue](rows));
      const { answered, snapshots } = await fetchFutures(stage.exchange, 'funding_rate', { since, until: T0 });
      assert.equal(snapshots.length, limit);
      assert.deepEqual(answered, { since: first, until: first + limit * HOUR });
    });
  });

  describe(`${venue}: mark price`, AT_ONCE, () => {
    it('is the open of the hour, final as soon as the hour has begun', async () => {
      const begun = RECORDED_AT - (RECORDED_AT % HOUR);
      const rows = [
        [String(begun), '68649.90', '68650', '68000.1', '68123.45', '0'],
        [String(begun - HOUR), '68591.460', '68600', '68000', '68649.9', '1'],
      ];
      await using stage = await openVenue(venue, () => wrap[venue](rows, { symbol: 'BTCUSDT' }));
      const range = { since: begun - HOUR, until: begun + HOUR };
      const { snapshots } = await fetchFutures(stage.exchange, 'mark_price', range);
      assert.deepEqual(snapshots, [
        { timestamp: begun - HOUR, mark_price: '68591.460' },
        { timestamp: begun, mark_price: '68649.90' },
      ]);
    });
  });
}

describe('bybit: open interest', AT_ONCE, () => {
  it('is in the base currency, at the moment, with its digits; the history has no value', async () => {
    const rows = [
      { openInterest: '69655.81300000', timestamp: String(T0 + HOUR) },
      { openInterest: '2663107.29999999861', timestamp: String(T0) },
    ];
    await using stage = await openVenue('bybit', () => wrap.bybit(rows, { symbol: 'BTCUSDT', category: 'linear' }));
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
    await using stage = await openVenue('bybit', () => wrap.bybit(rows, { symbol: 'ETHUSDT', category: 'linear' }));
    await assert.rejects(
      fetchFutures(stage.exchange, 'open_interest'),
      fails(ExchangeDataError, /something else than a list of rows/),
    );
  });
});

describe('okx: recorded open interest', { ...AT_ONCE, skip }, () => {
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
    await using stage = await openVenue('okx', () => wrap.okx([[String(T0), oi, oiCcy, oiUsd]]));
    const { snapshots } = await fetchFutures(stage.exchange, 'open_interest');
    assert.deepEqual(snapshots, [{ timestamp: T0, open_interest: '26631.0729999999861' }]);
  });
});

describe('okx: open interest', AT_ONCE, () => {
  const row = (time: number) => [String(time), '100', '1.0', '42000'];

  it('of an hour that has not ended is not final', async () => {
    const begun = RECORDED_AT - (RECORDED_AT % HOUR);
    await using stage = await openVenue('okx', () => wrap.okx([row(begun), row(begun - HOUR)]));
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
    await using stage = await openVenue('okx', () => wrap.okx([row(T0)]));
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
    await using stage = await openVenue('okx', () => wrap.okx([]));
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

describe('okx: mark price', AT_ONCE, () => {
  it('comes from the call that reaches back far enough', async () => {
    await using stage = await openVenue('okx', () => wrap.okx([]));
    const old = RECORDED_AT - (RECORDED_AT % HOUR) - 1440 * HOUR;
    await fetchFutures(stage.exchange, 'mark_price', { since: old, until: old + HOUR });
    await fetchFutures(stage.exchange, 'mark_price', { since: old + 10 * HOUR, until: old + 11 * HOUR });
    assert.deepEqual(
      stage.asked().map(({ path }) => path),
      ['/api/v5/market/history-mark-price-candles', '/api/v5/market/mark-price-candles'],
    );
  });
});
