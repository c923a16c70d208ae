import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findCandleFault, isClosed, type Candle } from '../../../src/market/candle.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';

const hour = parseTimeframe('1h');
const seven = Date.UTC(2026, 10, 22, 7);
const now = seven + 5 * 3_600_000;
const d = (text: string) => text as Decimal;
const sound: Candle = { timestamp: seven, open: d('10'), high: d('12'), low: d('9'), close: d('11'), volume: d('0') };
const faultOf = (change: Partial<Candle>) => findCandleFault({ ...sound, ...change }, hour, now);

describe('findCandleFault', () => {
  it('passes a sound candle, also one without any movement', () => {
    assert.equal(faultOf({}), null);
    assert.equal(faultOf({ open: d('1.0'), high: d('1'), low: d('1.00'), close: d('1') }), null);
    assert.equal(faultOf({ low: d('0'), volume: d('0.000') }), null, 'a crash to nothing, or no volume, is no fault');
  });

  const faults: [string, Partial<Candle>, RegExp][] = [
    ['low above high', { low: d('13'), high: d('12.5') }, /low is above high/],
    ['open above high', { open: d('12.00000001') }, /open is above high/],
    ['close below low', { close: d('8.99999999') }, /close is below low/],
    ['a negative volume', { volume: d('-1') }, /volume is negative/],
    ['a volume that is none', { volume: d('1e5') }, /volume is not a decimal/],
    [
      'zeros for prices',
      { open: d('0'), high: d('0.000'), low: d('0'), close: d('0.0'), volume: d('0') },
      /all prices are zero/,
    ],
    ['a time off the grid', { timestamp: seven + 60_000 }, /off the 1h grid/],
    ['a time in the future', { timestamp: now + 3_600_000 }, /in the future/],
    ['seconds for milliseconds', { timestamp: seven / 1000 }, /before 2009/],
    ['a fraction of a millisecond', { timestamp: seven + 0.5 }, /whole number/],
  ];
  for (const [name, change, expected] of faults)
    it(`finds ${name}`, () => assert.match(faultOf(change) ?? '', expected));
});

describe('isClosed', () => {
  it('is true from the candle’s last moment on', () => {
    assert.equal(isClosed(seven, hour, seven + 3_599_999), false);
    assert.equal(isClosed(seven, hour, seven + 3_600_000), true);
  });
});
