import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeDataError } from '../../src/errors.ts';
import type { Candle } from '../../src/market/candle.ts';
import {
  AT_ONCE,
  DAY,
  HOUR,
  RECORDED_AT,
  RECORDED_RANGE,
  T0,
  VENUES,
  fails,
  fetchCandles,
  fetchFutures,
  openVenue,
  query,
  readRecording,
  signal,
  skip,
  wrap,
} from '../support/bybit-okx-stage.ts';

const listValues = ({ timestamp, open, high, low, close, volume }: Candle) => [
  timestamp,
  open,
  high,
  low,
  close,
  volume,
];

for (const venue of VENUES) {
  describe(`${venue}: recorded candles`, { ...AT_ONCE, skip }, () => {
    it('come oldest first with every digit, though the exchange sends the newest first', async () => {
      const { httpResponse, parsedResponse } = readRecording(venue, 'fetchOHLCV');
      await using stage = await openVenue(venue, () => httpResponse);
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
      assert.deepEqual(answered, RECORDED_RANGE);
    });
  });

  describe(`${venue}: markets`, AT_ONCE, () => {
    it('are the spot markets, each with its own perpetual in the same currency', async () => {
      await using stage = await openVenue(venue, () => undefined);
      const instruments = await stage.exchange.fetchInstruments(signal);
      assert.deepEqual(
        instruments.map(({ symbol, active, hasPerpetual }) => ({ symbol, active, hasPerpetual })),
        [
          { symbol: 'BTC/USDT', active: true, hasPerpetual: true },
          { symbol: 'LUNA/USDT', active: false, hasPerpetual: false },
        ],
      );
    });
  });

  describe(`${venue}: what is no answer`, AT_ONCE, () => {
    const row = (time: number) => [String(time), '1', '1', '1', '1', '1', '1', '1', '1'];

    for (const [unit, factor] of [
      ['seconds', 0.001],
      ['microseconds', 1000],
    ] as const)
      it(`rows of futures data in ${unit}: they must not look like an empty page`, async () => {
        const rows = [row((T0 + HOUR) * factor), row(T0 * factor)];
        await using stage = await openVenue(venue, () => wrap[venue](rows));
        await assert.rejects(
          fetchFutures(stage.exchange, 'mark_price'),
          fails(ExchangeDataError, /rows from other times/),
        );
      });

    it('its newest rows of futures data, whatever was asked for', async () => {
      const rows = [row(RECORDED_AT - (RECORDED_AT % HOUR))];
      await using stage = await openVenue(venue, () => wrap[venue](rows));
      await assert.rejects(
        fetchFutures(stage.exchange, 'mark_price'),
        fails(ExchangeDataError, /rows from other times/),
      );
    });

    it('an envelope without rows', async () => {
      await using stage = await openVenue(venue, () =>
        venue === 'bybit' ? { retCode: 0, result: {} } : { code: '0' },
      );
      for (const feed of stage.exchange.futuresFeeds.keys())
        await assert.rejects(
          fetchFutures(stage.exchange, feed),
          fails(ExchangeDataError, /something else than a list of rows/),
          feed,
        );
    });
  });
}

describe('okx: candles that it does not confirm', AT_ONCE, () => {
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
    await using stage = await openVenue('okx', () => wrap.okx(rows), nowMs);
    const page = await fetchCandles(stage.exchange, { since: begun - 2 * HOUR, until: begun });
    assert.deepEqual(times(page), [begun - 2 * HOUR]);
    assert.deepEqual(page.rejected, []);
    assert.deepEqual(page.answered, { since: begun - 2 * HOUR, until: begun - HOUR });
  });

  it('are given when it confirms them', async () => {
    const rows = [row(begun, '0'), row(begun - HOUR, '1'), row(begun - 2 * HOUR, '1')];
    await using stage = await openVenue('okx', () => wrap.okx(rows), begun + 20_000);
    const page = await fetchCandles(stage.exchange, { since: begun - 2 * HOUR, until: begun });
    assert.deepEqual(times(page), [begun - 2 * HOUR, begun - HOUR]);
    assert.deepEqual(page.answered, { since: begun - 2 * HOUR, until: begun });
  });

  it('alone are no answer yet', async () => {
    await using stage = await openVenue('okx', () => wrap.okx([row(begun - HOUR, '0')]), begun + 20_000);
    const page = await fetchCandles(stage.exchange, { since: begun - HOUR, until: begun });
    assert.deepEqual([page.candles, page.answered], [[], null]);
  });

  it('hold nothing up for ever: long after their end the row is kept aside and the rest is given', async () => {
    const rows = [row(T0 + 2 * HOUR, '1'), row(T0 + HOUR, '0'), row(T0, '1')];
    await using stage = await openVenue('okx', () => wrap.okx(rows));
    const page = await fetchCandles(stage.exchange);
    assert.deepEqual(times(page), [T0, T0 + 2 * HOUR]);
    assert.deepEqual(page.answered, RECORDED_RANGE);
    assert.equal(page.rejected.length, 1);
    assert.equal(page.rejected[0]?.timestamp, T0 + HOUR);
    assert.match(page.rejected[0].reason, /still calls the candle incomplete/);
  });

  it('are kept aside where the row says nothing of it', async () => {
    await using stage = await openVenue('okx', () => wrap.okx([row(T0 + HOUR, '1'), row(T0)]));
    const page = await fetchCandles(stage.exchange);
    assert.deepEqual(times(page), [T0 + HOUR]);
    assert.match(page.rejected[0]?.reason ?? '', /does not say whether the candle is complete/);
  });

  it('days are those of UTC, not of Hong Kong', async () => {
    const day = T0 - (T0 % DAY);
    await using stage = await openVenue('okx', () => wrap.okx([row(day - DAY, '1')]));
    const page = await fetchCandles(stage.exchange, { since: day - DAY, until: day }, '1d');
    assert.deepEqual(times(page), [day - DAY]);
    assert.equal(stage.asked()[0]?.query.get('bar'), '1Dutc');
  });

  it('asks for what was asked for, in pages of 300', async () => {
    await using stage = await openVenue('okx', () => wrap.okx([]));
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
