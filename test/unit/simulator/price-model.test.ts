import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPriceLine, createHourBlock, fillHour } from '../../../simulator/price-model.ts';
import { createVenue } from '../../../simulator/venue.ts';
import { checkMarket, DEFAULT_MARKETS, type SimulatedMarket } from '../../../simulator/symbol-catalogue.ts';

/** Open, high, low, close (ticks), volume (steps), quote volume, trades of one minute, as first released. */
const GOLDEN = [4_860_087, 4_862_258, 4_856_113, 4_856_402, 589_994, 2_866_612_697_710, 166];

const HOUR_2025 = Date.UTC(2025, 0, 1) / 3_600_000;

function lineOf(market: SimulatedMarket, seed = 'test') {
  return createPriceLine({ ...market, pathKey: `${seed}:${market.symbol}`, lineKey: 'spot', premium: 0 });
}

function hourOf(market: SimulatedMarket, hour: number, seed?: string) {
  const block = createHourBlock();
  fillHour(lineOf(market, seed), hour, block);
  return block;
}

const [bitcoin] = DEFAULT_MARKETS as [SimulatedMarket];

describe('price model', () => {
  it('gives the same hour whatever was computed before, and another for another seed', () => {
    const line = lineOf(bitcoin);
    const used = createHourBlock();
    for (const hour of [HOUR_2025 + 7, HOUR_2025 - 40_000, HOUR_2025]) fillHour(line, hour, used);
    assert.deepEqual(used, hourOf(bitcoin, HOUR_2025));
    assert.notDeepEqual(used.close, hourOf(bitcoin, HOUR_2025, 'other').close);
  });

  it('keeps its values over versions: a history once stored must not change', () => {
    const block = hourOf(bitcoin, HOUR_2025, 'golden');
    const minute = [block.open, block.high, block.low, block.close, block.volume, block.quoteVolume, block.trades];
    assert.deepEqual(
      minute.map((column) => column[30]),
      GOLDEN,
    );
  });

  for (const market of DEFAULT_MARKETS) {
    it(`holds every invariant of ${market.symbol} over scattered hours`, () => {
      for (let sample = 0; sample < 60; sample++) {
        const hour = HOUR_2025 - 30_000 + sample * 997;
        const block = hourOf(market, hour);
        const next = hourOf(market, hour + 1);
        assert.equal(block.boundary[60], next.boundary[0], 'hours join without a seam');
        let quote = 0;
        for (let index = 0; index < 60; index++) {
          const at = (column: Float64Array) => column[index]!;
          const [open, high, low, close] = [at(block.open), at(block.high), at(block.low), at(block.close)];
          assert.ok(low >= 1 && low <= Math.min(open, close) && high >= Math.max(open, close));
          const [volume, taker] = [at(block.volume), at(block.takerVolume)];
          assert.ok(volume >= 4 && taker >= 0 && taker <= volume && at(block.trades) >= 4);
          assert.ok(at(block.quoteVolume) >= low * volume && at(block.quoteVolume) <= high * volume);
          for (const column of Object.values(block) as Float64Array[]) assert.ok(Number.isSafeInteger(column[index]));
          if (index > 0) assert.ok(Math.abs(open - block.close[index - 1]!) <= 1, 'opens where the last one closed');
          quote += at(block.quoteVolume);
        }
        assert.ok(Number.isSafeInteger(quote), 'an hour adds up exactly');
      }
    });
  }

  it('moves as markets do: by per cents a day, in calm and wild stretches, never twice the same way', () => {
    const returns: number[] = [];
    const hourly: number[] = [];
    let before = 0;
    for (let hour = HOUR_2025; hour < HOUR_2025 + 24 * 250; hour++) {
      const price = hourOf(bitcoin, hour).boundary[0]!;
      if (before > 0) hourly.push(Math.log(price / before));
      before = price;
    }
    for (let day = 0; day + 24 <= hourly.length; day += 24) {
      returns.push(hourly.slice(day, day + 24).reduce((sum, value) => sum + value, 0));
    }
    const deviation = Math.sqrt(mean(returns.map((value) => value ** 2)));
    assert.ok(deviation > 0.01 && deviation < 0.06, `daily deviation ${deviation}`);
    const size = hourly.map(Math.abs);
    assert.ok(correlation(size.slice(0, -1), size.slice(1)) > 0.1, 'wild hours follow wild hours');
    for (const lag of [24, 168, 463, 2_459]) {
      const same = correlation(hourly.slice(0, -lag), hourly.slice(lag));
      assert.ok(Math.abs(same) < 0.2, `repeats itself after ${lag} hours: ${same}`);
    }
  });

  it('refuses markets whose sums would not be exact, with the reason', () => {
    const bad: [Partial<SimulatedMarket>, RegExp][] = [
      [{ symbol: 'BTCUSDT' }, /BASE\/QUOTE/],
      [{ tickDecimals: 6 }, /8 together/],
      [{ quotePerMinute: 5e6 }, /added up exactly/],
      [{ level: 0 }, /level must be/],
      [{ level: 0.5 }, /hundredth/],
      [{ listedMs: 1 }, /full minutes/],
      [{ haltedMs: 0 }, /halt lies before/],
    ];
    for (const [change, reason] of bad) assert.throws(() => checkMarket({ ...bitcoin, ...change }), reason);
    for (const market of DEFAULT_MARKETS) checkMarket(market);
  });

  it('refuses a market that is given twice', () => {
    assert.throws(() => createVenue({ seed: 'test', markets: [bitcoin, bitcoin], recorded: [] }), /given twice/);
  });
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)];
  const product = mean(a.map((value, index) => (value - ma) * (b[index]! - mb)));
  return product / Math.sqrt(mean(a.map((value) => (value - ma) ** 2)) * mean(b.map((value) => (value - mb) ** 2)));
}
