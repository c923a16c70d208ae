import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  countPlaces,
  countSettled,
  formatDecimal,
  formatFraction,
  formatShare,
  formatShort,
} from '../../../../src/http/page/browser/figures.ts';
import {
  formatDuration,
  formatRange,
  lagOf,
  nextOpening,
  timeframeLength,
} from '../../../../src/http/page/browser/moments.ts';

describe('figures', () => {
  it('keep the digits of a decimal, group them, and drop zeros that say nothing', () => {
    assert.deepEqual(['97123.45000000', '0.00002452', '1234567', '100.00000000', '-1234.5', 'NaN'].map(formatDecimal), [
      '97,123.45',
      '0.00002452',
      '1,234,567',
      '100.00',
      '-1,234.5',
      'NaN',
    ]);
    assert.equal(formatDecimal('12345678901234567890.123456789012'), '12,345,678,901,234,567,890.123456789012');
  });

  it('count the places that prices use', () => {
    assert.equal(countPlaces(['1.50000000', '0.00002452', '3']), 8);
    assert.equal(countPlaces(['100.00', '7']), 0);
    assert.equal(countPlaces([]), 0);
  });

  it('never round a share up to 100 %', () => {
    assert.equal(formatShare(999_999, 1_000_000), '99.99 %');
    assert.equal(formatShare(1_000_000, 1_000_000), '100 %');
    assert.equal(formatShare(0, 5), '0.00 %');
    assert.equal(formatShare(0, 0), '–');
  });

  it('count a slot without trades as settled, and one that was refused as not', () => {
    const slots = { have: 5, missing: 1, confirmed_empty: 2, refused: 3, out_of_window: 4 };
    assert.deepEqual(countSettled(slots), { settled: 7, total: 15 });
  });

  it('shorten what need not be exact', () => {
    assert.deepEqual([76_013.7, 1_234_567, 0.00123, -2_000_000_000].map(formatShort), [
      '76.01 k',
      '1.235 M',
      '0.00123',
      '-2 G',
    ]);
    assert.equal(formatFraction(0.0001), '0.0100 %');
  });
});

describe('moments', () => {
  const OPEN = Date.UTC(2026, 0, 1, 8);
  const HOUR_MS = 3_600_000;

  it('tell how long a closed candle has been awaited', () => {
    // The candle of 8:00 is stored: that of 9:00 closes at 10:00.
    assert.equal(lagOf(OPEN, '1h', OPEN + 1.9 * HOUR_MS), 0);
    assert.equal(lagOf(OPEN, '1h', OPEN + 2 * HOUR_MS + 5000), 5000);
  });

  it('know the length of timeframes, and months by the calendar', () => {
    assert.deepEqual(
      ['1m', '15m', '4h', '1d', '1w', 'x'].map(timeframeLength),
      [60_000, 900_000, 14_400_000, 86_400_000, 604_800_000, 0],
    );
    assert.equal(nextOpening(Date.UTC(2026, 1, 1), '1M'), Date.UTC(2026, 2, 1));
  });

  it('write durations and ranges as a person reads them', () => {
    assert.deepEqual([0, 999, 61_000, 90_000_000, 86_400_000].map(formatDuration), [
      '0 s',
      '0 s',
      '1 min 1 s',
      '1 d 1 h',
      '1 d',
    ]);
    assert.equal(formatRange(OPEN, OPEN + HOUR_MS), '2026-01-01 08:00 – 09:00');
    assert.equal(formatRange(OPEN, OPEN + 24 * HOUR_MS), '2026-01-01 08:00 – 2026-01-02 08:00');
  });
});
