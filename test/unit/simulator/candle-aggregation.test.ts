import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  BINANCE_INTERVALS,
  floorToInterval,
  nextOpening,
  type BinanceInterval,
} from '../../../simulator/binance-interval.ts';
import { CandleAggregator, type SimulatedCandle } from '../../../simulator/candle-aggregation.ts';
import { mixHash } from '../../../simulator/noise.ts';
import { createPriceLine } from '../../../simulator/price-model.ts';
import { DEFAULT_MARKETS } from '../../../simulator/symbol-catalogue.ts';

const LISTED = Date.UTC(2024, 0, 1, 7);
const HALTED = Date.UTC(2025, 10, 3, 5);
const NOW = Date.UTC(2025, 5, 18, 13, 37, 21, 250);
const MINUTE = 60_000;

function createSource(symbol: string): CandleAggregator {
  const market = DEFAULT_MARKETS.find((candidate) => candidate.symbol === symbol)!;
  const line = createPriceLine({ ...market, pathKey: `test:${symbol}`, lineKey: 'spot', premium: 0 });
  return new CandleAggregator({ line, listedMs: LISTED, haltedMs: HALTED });
}

function list(
  source: CandleAggregator,
  interval: BinanceInterval,
  query: Partial<Parameters<CandleAggregator['listCandles']>[0]>,
): SimulatedCandle[] {
  return source.listCandles({ interval, startMs: null, endMs: null, limit: 1_000, nowMs: NOW, ...query });
}

/** The whole range as single minutes. */
function minutesOf(source: CandleAggregator, startMs: number, untilMs: number, nowMs: number): SimulatedCandle[] {
  return list(source, '1m', { startMs, endMs: untilMs - 1, limit: Infinity, nowMs });
}

function addUp(minutes: readonly SimulatedCandle[]): Omit<SimulatedCandle, 'openMs' | 'closeMs'> {
  return {
    open: minutes[0]!.open,
    high: Math.max(...minutes.map(({ high }) => high)),
    low: Math.min(...minutes.map(({ low }) => low)),
    close: minutes.at(-1)!.close,
    volume: minutes.reduce((sum, { volume }) => sum + volume, 0),
    quoteVolume: minutes.reduce((sum, { quoteVolume }) => sum + quoteVolume, 0n),
    trades: minutes.reduce((sum, { trades }) => sum + trades, 0),
    takerVolume: minutes.reduce((sum, { takerVolume }) => sum + takerVolume, 0),
    takerQuoteVolume: minutes.reduce((sum, { takerQuoteVolume }) => sum + takerQuoteVolume, 0n),
  };
}

function totalsOf(candle: SimulatedCandle): object {
  return Object.fromEntries(Object.entries(candle).filter(([name]) => name !== 'openMs' && name !== 'closeMs'));
}

describe('candle aggregation', () => {
  for (const symbol of ['BTC/USDT', 'PEPE/USDT']) {
    for (const interval of BINANCE_INTERVALS) {
      it(`adds minutes of ${symbol} up to ${interval} exactly, over scattered ranges, caches cold and warm`, () => {
        const source = createSource(symbol);
        const samples = nextOpening(0, interval) > 86_400_000 ? 2 : 8;
        for (let sample = 0; sample < samples; sample++) {
          const anywhere = LISTED + (mixHash(7, sample) % Math.floor((NOW - LISTED) / MINUTE)) * MINUTE;
          const openMs = floorToInterval(anywhere, interval);
          const [candle] = list(source, interval, { startMs: openMs, limit: 1 });
          assert.ok(candle);
          assert.equal(candle.openMs, openMs);
          assert.equal(candle.closeMs, nextOpening(openMs, interval) - 1);
          const minutes = minutesOf(source, openMs, nextOpening(openMs, interval), NOW);
          assert.deepEqual(totalsOf(candle), addUp(minutes));
          assert.deepEqual(list(source, interval, { startMs: openMs, limit: 1 })[0], candle);
          assert.deepEqual(list(createSource(symbol), interval, { startMs: openMs, limit: 1 })[0], candle);
        }
      });
    }
  }

  it('answers the same in any order, also after more hours than are kept', () => {
    const source = createSource('BTC/USDT');
    const before = list(source, '1h', { startMs: LISTED, limit: 50 });
    for (let page = 0; page < 4; page++) list(source, '1h', { startMs: LISTED + page * 3_600_000_000 });
    assert.deepEqual(list(source, '1h', { startMs: LISTED, limit: 50 }), before);
  });

  it('gives the newest rows without a start, from the start on with one, both ends included', () => {
    const source = createSource('BTC/USDT');
    const newest = list(source, '1h', { limit: 3 });
    assert.deepEqual(
      newest.map(({ openMs }) => openMs),
      [11, 12, 13].map((hour) => Date.UTC(2025, 5, 18, hour)),
    );
    const at = (hour: number) => Date.UTC(2025, 5, 10, hour);
    const openings = (query: object) => list(source, '1h', query).map(({ openMs }) => openMs);
    assert.deepEqual(openings({ startMs: at(3), endMs: at(5) }), [at(3), at(4), at(5)]);
    assert.deepEqual(openings({ startMs: at(3) + 1, endMs: at(5) - 1 }), [at(4)]);
    assert.deepEqual(openings({ endMs: at(5), limit: 2 }), [at(4), at(5)]);
    assert.deepEqual(openings({ startMs: at(3), limit: 2 }), [at(3), at(4)]);
    assert.deepEqual(openings({ startMs: at(5), endMs: at(3) }), []);
    assert.deepEqual(openings({ startMs: NOW + 1 }), []);
  });

  it('has nothing before the listing nor after the halt', () => {
    const source = createSource('BTC/USDT');
    assert.equal(list(source, '1m', { startMs: 0, limit: 1 })[0]?.openMs, LISTED);
    assert.deepEqual(list(source, '1m', { endMs: LISTED - 1 }), []);
    assert.deepEqual(list(source, '1m', { nowMs: LISTED - 1 }), []);
    assert.equal(list(source, '1m', { limit: 1, nowMs: HALTED + 86_400_000 })[0]?.openMs, HALTED - MINUTE);
    const [firstDay] = list(source, '1d', { startMs: 0, limit: 1 });
    assert.equal(firstDay?.openMs, Date.UTC(2024, 0, 1));
    assert.deepEqual(totalsOf(firstDay), addUp(minutesOf(source, LISTED, Date.UTC(2024, 0, 2), NOW)));
  });

  for (const interval of ['1m', '15m', '1h', '1d', '1w'] as const) {
    it(`lets the ${interval} candle in progress grow only, and closes it as the whole`, () => {
      const source = createSource('ETH/USDT');
      const openMs = floorToInterval(NOW, interval);
      const lengthMs = nextOpening(openMs, interval) - openMs;
      let before: SimulatedCandle | null = null;
      for (let share = 0; share < 1; share += 0.037) {
        const nowMs = openMs + Math.floor(share * lengthMs);
        const candle = list(source, interval, { limit: 1, nowMs })[0]!;
        assert.equal(candle.openMs, openMs);
        assert.ok(candle.low <= Math.min(candle.open, candle.close));
        assert.ok(candle.high >= Math.max(candle.open, candle.close));
        if (before) {
          assert.equal(candle.open, before.open);
          assert.ok(candle.high >= before.high && candle.low <= before.low);
          assert.ok(candle.volume >= before.volume && candle.quoteVolume >= before.quoteVolume);
          assert.ok(candle.trades >= before.trades && candle.takerVolume >= before.takerVolume);
        }
        before = candle;
      }
      const later = list(source, interval, { startMs: openMs, limit: 1, nowMs: openMs + 10 * lengthMs })[0]!;
      const lastMoment = list(source, interval, { limit: 1, nowMs: openMs + lengthMs - 1 })[0]!;
      assert.ok(before!.volume < later.volume);
      assert.ok(Math.abs(lastMoment.volume - later.volume) <= later.volume * 0.001);
      assert.deepEqual([lastMoment.high, lastMoment.low], [later.high, later.low]);
    });
  }

  it('computes a thousand hours that it has not seen quickly', () => {
    const source = createSource('SOL/USDT');
    list(source, '1h', { startMs: LISTED, limit: 100 });
    const before = process.cpuUsage();
    assert.equal(list(source, '1h', { limit: 1_000 }).length, 1_000);
    // Takes about 20 ms, of the processor's time: others share the machine.
    assert.ok(process.cpuUsage(before).user < 500_000);
  });
});
