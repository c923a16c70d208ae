import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findOrigin } from '../../../../src/http/query/candle-origin.ts';
import { parseTimeframe, timeframeMs } from '../../../../src/market/timeframe.ts';
import { seriesOf } from '../../../support/candles.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2024-01-01T00:00:00Z');

/** What candles of four hours are built from, of `stored`: timeframes with where they begin and end (ms from START). */
async function originOf(
  stored: Record<string, readonly [since: number, until: number, gapsMs?: number]>,
  range: { since?: number; until: number },
) {
  const reader = {
    sumGaps: (_market: object, ranges: readonly { timeframe: string; since: number; until: number }[]) => {
      for (const { since, until } of ranges) assert.ok(since <= until);
      return Promise.resolve(ranges.map(({ timeframe }) => stored[timeframe]?.[2] ?? 0));
    },
    listBounds: () =>
      Promise.resolve(
        Object.entries(stored).map(([timeframe, [since, until]]) => {
          const series = seriesOf('binance', 'BTC/USDT', timeframe);
          const lengthMs = timeframeMs(series.timeframe);
          return { ...series, first: START + since, last: START + until - lengthMs };
        }),
      ),
  };
  const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: parseTimeframe('4h') };
  const since = range.since === undefined ? null : START + range.since;
  return await findOrigin(series, { since, until: START + range.until }, reader, { ingestSeries: () => [] });
}

describe('findOrigin', () => {
  it('takes the longest of those that are stored for the whole range', async () => {
    const stored = { '1m': [0, 30 * DAY_MS], '1h': [0, 30 * DAY_MS], '1d': [0, 30 * DAY_MS] } as const;
    assert.equal(await originOf(stored, { since: 0, until: 30 * DAY_MS }), '1h');
  });

  it('takes the longest, although a finer one reaches some minutes further, as it does most of the time', async () => {
    const stored = { '1m': [0, 30 * DAY_MS + 59 * MINUTE_MS], '1h': [0, 30 * DAY_MS] } as const;
    assert.equal(await originOf(stored, { until: 31 * DAY_MS }), '1h');
    assert.equal(await originOf(stored, { since: DAY_MS, until: 31 * DAY_MS }), '1h');
  });

  it('takes a finer one that is stored for more of the range, by a candle or more', async () => {
    const stored = { '1m': [0, 30 * DAY_MS], '1h': [4 * HOUR_MS, 30 * DAY_MS] } as const;
    assert.equal(await originOf(stored, { since: 0, until: 30 * DAY_MS }), '1m');
    assert.equal(await originOf(stored, { since: 4 * HOUR_MS, until: 30 * DAY_MS }), '1h');
    assert.equal(await originOf({ ...stored, '1m': [DAY_MS, 2 * DAY_MS] }, { until: 30 * DAY_MS }), '1h');
  });

  it('takes a finer one that has fewer gaps, by a candle or more', async () => {
    const whole = [0, 30 * DAY_MS] as const;
    assert.equal(await originOf({ '1m': whole, '1h': [...whole, DAY_MS] }, { until: 30 * DAY_MS }), '1m');
    assert.equal(await originOf({ '1m': whole, '1h': [...whole, 3 * HOUR_MS] }, { until: 30 * DAY_MS }), '1h');
    assert.equal(await originOf({ '1m': [...whole, DAY_MS], '1h': whole }, { until: 30 * DAY_MS }), '1h');
  });

  it('has none where the series is stored itself, and refuses what is neither stored nor can be built', async () => {
    assert.equal(await originOf({ '4h': [0, 1], '1h': [0, DAY_MS] }, { until: DAY_MS }), null);
    await assert.rejects(originOf({ '1d': [0, DAY_MS] }, { until: DAY_MS }), { code: 'SERIES_UNKNOWN' });
  });
});
