import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { toStreamUrl } from '../../src/exchanges/binance/stream-names.ts';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import { findInterval } from '../../simulator/binance-interval.ts';
import { createFastClock } from '../../simulator/fast-clock.ts';
import { SimulatedExchange } from '../../simulator/simulated-exchange.ts';
import { NO_STREAM_FAULTS, type StreamFaults } from '../../simulator/stream-faults.ts';
import { DEFAULT_MARKETS, toMarketId } from '../../simulator/symbol-catalogue.ts';
import { parseTimeframe, timeframeMs } from '../../src/market/timeframe.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { waitUntil } from '../support/patience.ts';
import { KeptStream } from '../support/stream-stage.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 8, 1, 10, 18, 40);
const SYMBOLS = DEFAULT_MARKETS.slice(0, 5).map(({ symbol }) => symbol);
const SERIES = SYMBOLS.flatMap((symbol) => ['1m', '5m'].map((timeframe) => `${symbol} ${timeframe}`));

/** A market that trades sixty times as fast as any, and a stream of it on the same clock, with Binance's own limits. */
async function trade(
  faults: Partial<StreamFaults>,
  work: (kept: KeptStream, exchange: SimulatedExchange) => Promise<void>,
) {
  const clock = createFastClock({ speed: 60, startMs: START });
  const streamFaults = { ...NO_STREAM_FAULTS, ...faults };
  const exchange = new SimulatedExchange({ seed: 'stream', clock, symbols: DEFAULT_MARKETS.slice(0, 5), streamFaults });
  const { origin } = await exchange.listen();
  try {
    await using kept = new KeptStream(toStreamUrl(origin), {
      clock,
      exchangeNow: () => clock.now(),
      limits: { messageSpacingMs: 400, backoff: { firstMs: 1_000, maxMs: 60_000 } },
    });
    kept.subscribe(...SERIES);
    await work(kept, exchange);
  } finally {
    await exchange.close();
  }
}

/** Each candle that came is what REST would say of it. */
function assertTrue(kept: KeptStream, exchange: SimulatedExchange): void {
  for (const { symbol, timeframe, candle } of kept.candles) {
    const interval = findInterval(timeframe)!;
    const range = {
      startMs: candle.timestamp,
      endMs: candle.timestamp,
      nowMs: candle.timestamp + timeframeMs(timeframe),
    };
    const [row] = exchange.venue.spot.get(toMarketId(symbol))!.klines.listKlines({ interval, ...range, limit: 1 })!;
    const { timestamp, open, high, low, close, volume } = candle;
    assert.deepEqual([timestamp, open, high, low, close, volume], row?.slice(0, 6));
  }
}

describe('the live stream of Binance against the simulated exchange', () => {
  it('brings every candle that closes, as REST says it, at sixty times the speed', async () => {
    await trade({}, async (kept, exchange) => {
      await waitUntil(() => SERIES.every((series) => kept.isLive(series)), 'life');
      const openings = (series: string) =>
        kept.candles
          .filter(({ symbol, timeframe }) => `${symbol} ${timeframe}` === series)
          .map(({ candle }) => candle.timestamp);
      await waitUntil(
        () => SERIES.every((series) => openings(series).length >= (series.endsWith('1m') ? 4 : 1)),
        'trading',
      );
      for (const series of SERIES) {
        const times = openings(series);
        const stepMs = series.endsWith('1m') ? MINUTE : 5 * MINUTE;
        assert.deepEqual(
          times,
          times.map((_, index) => times[0]! + index * stepMs),
        );
      }
      assertTrue(kept, exchange);
      assert.deepEqual([kept.gaps, kept.rejected, kept.stream.state().state], [[], [], 'live']);
    });
  });

  it('comes back from refusals, drops and silence, and tells all that it may have missed', async () => {
    const fates = [{ isRefused: true }, { dropAfterMs: 40_000 }, { silentAfterMs: 20_000 }];
    await trade({ fateOf: (n) => fates[n] ?? {} }, async (kept, exchange) => {
      await waitUntil(
        () => exchange.streams.connectCount === 4 && SERIES.every((series) => kept.isLive(series)),
        'life',
      );
      const before = kept.candles.length;
      await waitUntil(() => kept.candles.length >= before + 10, 'trading');
      assertTrue(kept, exchange);
      assert.equal(kept.stream.state().reconnects, 2);
      // One list for each connection that ended, and where a minute ended before the next one was up.
      const lost = kept.gaps.filter((series) => series.length === SERIES.length);
      assert.ok(lost.length >= 2, JSON.stringify(kept.gaps));
    });
  });

  it('tells each candle that the exchange skips', async () => {
    const skipped: string[] = [];
    const replace: StreamFaults['replace'] = (push) => {
      if (push.k.x && push.k.i === '1m' && skipped.length < 3 && !skipped.includes(push.s)) {
        skipped.push(push.s);
        return [];
      }
      return [{ push, delayMs: 0 }];
    };
    await trade({ replace }, async (kept) => {
      await waitUntil(() => skipped.length === 3 && kept.gaps.length >= 3, 'three gaps');
      await delay(50);
      const told = kept.gaps.flat().map((series) => toMarketId(series.split(' ')[0]!));
      assert.deepEqual(told.toSorted(), skipped.toSorted());
    });
  });
});

describe('the live stream of an exchange as it is created', () => {
  it('goes to the same origin, with the markets that REST lists', async () => {
    const simulated = new SimulatedExchange({
      seed: 'stream',
      symbols: DEFAULT_MARKETS.slice(0, 2),
      stream: { intervalMs: 50 },
    });
    const { origin } = await simulated.listen();
    const exchange = await createExchange({ id: 'binance', origin, logger: createKeptLog().logger });
    const controller = new AbortController();
    try {
      const { candleStream } = exchange;
      assert.ok(candleStream !== null);
      const timeframe = parseTimeframe('1m');
      candleStream.subscribe([...SYMBOLS.slice(0, 2), 'NOT/LISTED'].map((symbol) => ({ symbol, timeframe })));
      const ignore = (): void => undefined;
      const running = candleStream.run(
        { onCandle: ignore, onRejected: ignore, onGap: ignore, onLive: ignore },
        controller.signal,
      );
      await waitUntil(() => SYMBOLS.slice(0, 2).every((symbol) => candleStream.isLive(symbol, timeframe)), 'life');
      await waitUntil(() => simulated.streams.pushCount > 4 && candleStream.state().last_message_at !== null, 'pushes');
      assert.equal(candleStream.isLive('NOT/LISTED', timeframe), false);
      assert.deepEqual([candleStream.state().state, candleStream.state().subscribed], ['live', 2]);
      controller.abort(new Error('the test is over'));
      await running;
      assert.equal(candleStream.state().connections, 0);
    } finally {
      controller.abort();
      await exchange.close();
      await simulated.close();
    }
  });
});
