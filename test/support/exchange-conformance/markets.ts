import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { ExchangeUnavailableError } from '../../../src/errors.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import { AT_ONCE, NOW, RANGE, SECOND, isRejected, signal, type Conformance } from './stage.ts';

/** The list of markets, timeframes and the clock. */
export function describeMarkets({ wire, test, open, fetchHours }: Conformance): void {
  const { id, symbol } = wire;
  describe('markets and time', AT_ONCE, () => {
    test('lists spot markets, each once, of itself', async () => {
      await using stage = await open();
      const instruments = await stage.exchange.fetchInstruments(signal);
      const symbols = instruments.map((each) => each.symbol);
      assert.deepEqual(symbols, [...new Set(symbols)]);
      const market = instruments.find((each) => each.symbol === symbol);
      const [base, quote] = symbol.split('/');
      const hasPerpetual = wire.feeds.length > 0;
      assert.deepEqual(market, { exchange: id, symbol, base, quote, active: true, hasPerpetual });
      assert.ok(
        instruments.some(({ active }) => !active),
        'a market without trade is listed as such',
      );
    });

    test('asks for the markets again after a failure, which ccxt would keep for ever', async () => {
      await using stage = await open({ isWarm: false });
      const { exchange, venue, time } = stage;
      venue.distort.listing = { json: { msg: 'unknown error' }, status: 500 };
      await assert.rejects(fetchHours(exchange), ExchangeUnavailableError);
      venue.distort.listing = null;
      time.now = Math.max(time.now, exchange.access().until);
      assert.ok((await fetchHours(exchange)).candles.length > 0);
    });

    test('loads the markets once for all who wait; one who gives up takes nothing from the others', async () => {
      await using alone = await open();
      const requestsOfALoad = alone.venue.count('listing');
      await using stage = await open({ isWarm: false });
      const { exchange, venue } = stage;
      const controller = new AbortController();
      const impatient = fetchHours(exchange, RANGE, controller.signal);
      const others = [fetchHours(exchange), fetchHours(exchange)];
      controller.abort(new Error('enough'));
      await assert.rejects(impatient, /enough/);
      await Promise.all(others);
      assert.equal(venue.count('listing'), requestsOfALoad);
    });

    test('knows the time of the exchange once it was asked', async () => {
      await using stage = await open({ isWarm: false });
      const { exchange } = stage;
      assert.equal(exchange.now(), null);
      const told = await exchange.fetchTime(signal);
      for (const time of [told, exchange.now() ?? 0]) {
        // Never ahead of it: an open candle must not look closed.
        const behindMs = NOW - time;
        assert.ok(behindMs > -SECOND && behindMs <= (wire.tellsTime ? SECOND : 5 * SECOND), `${behindMs} ms behind`);
      }
    });

    test('refuses an unknown timeframe without a request', async () => {
      await using stage = await open({ isWarm: false });
      const { exchange, venue } = stage;
      const timeframe = parseTimeframe('7m');
      assert.deepEqual([exchange.hasTimeframe(timeframe), exchange.hasTimeframe(parseTimeframe('1h'))], [false, true]);
      const asked = exchange.fetchCandles({ symbol, timeframe, range: RANGE }, signal);
      await assert.rejects(asked, isRejected('timeframe'));
      assert.equal(venue.total(), 0);
    });

    test('refuses an unknown symbol by the list of markets', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      for (const unknown of ['NOPE/USDT', 'constructor', 'BTC/USDT:USDT']) {
        const asked = exchange.fetchCandles({ symbol: unknown, timeframe: parseTimeframe('1h'), range: RANGE }, signal);
        await assert.rejects(asked, isRejected('symbol'), unknown);
      }
      assert.equal(venue.count('rows'), 0);
    });
  });
}
