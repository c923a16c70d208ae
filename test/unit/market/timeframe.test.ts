import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ceilToTimeframe,
  floorToTimeframe,
  isOnGrid,
  parseTimeframe,
  timeframeMs,
} from '../../../src/market/timeframe.ts';

describe('timeframe', () => {
  it('knows lengths', () => {
    const lengths = Object.entries({
      '1m': 60_000,
      '15m': 900_000,
      '4h': 14_400_000,
      '1d': 86_400_000,
      '1w': 604_800_000,
    });
    for (const [text, ms] of lengths) assert.equal(timeframeMs(parseTimeframe(text)), ms);
  });

  for (const text of ['', '0m', '1', 'h', '1M', '1s', '-1h', '1.5h', '01h', '5w', ' 1h'])
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseTimeframe(text), RangeError));

  it('finds opening times on both sides of a moment', () => {
    const hour = parseTimeframe('1h');
    const seven = Date.UTC(2026, 10, 22, 7);
    assert.equal(floorToTimeframe(seven + 1, hour), seven);
    assert.equal(ceilToTimeframe(seven + 1, hour), seven + 3_600_000);
    assert.equal(ceilToTimeframe(seven, hour), seven);
    assert.ok(isOnGrid(seven, hour) && !isOnGrid(seven + 1, hour));
  });

  it('opens weeks on Mondays', () => {
    const opening = floorToTimeframe(Date.UTC(2026, 10, 22), parseTimeframe('1w'));
    assert.equal(new Date(opening).toISOString(), '2026-11-16T00:00:00.000Z');
  });
});
