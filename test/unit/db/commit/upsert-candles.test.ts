import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { normalizeCandles } from '../../../../src/db/commit/upsert-candles.ts';
import { candlesFrom, seriesOf } from '../../../support/candles.ts';

const SERIES = seriesOf('binance', 'BTC/USDT', '1m');

describe('normalizeCandles', () => {
  const candles = candlesFrom(0, 60_000, 5);

  it('leaves sorted candles alone', () => {
    assert.equal(normalizeCandles(SERIES, candles), candles);
    assert.deepEqual(normalizeCandles(SERIES, []), []);
  });

  it('sorts and keeps the first of equal repetitions, whatever their trailing zeros', () => {
    const repeated = { ...candles[2]!, volume: `${candles[2]!.volume}00` as (typeof candles)[0]['volume'] };
    assert.deepEqual(normalizeCandles(SERIES, [...candles.toReversed(), repeated, candles[0]!]), candles);
  });

  it('refuses a repetition that differs in any value', () => {
    for (const column of ['open', 'high', 'low', 'close', 'volume'] as const) {
      const other = { ...candles[3]!, [column]: '99' };
      assert.throws(() => normalizeCandles(SERIES, [...candles, other]), {
        code: 'CANDLES_CONTRADICT',
        message: /binance BTC\/USDT 1m open at 1970-01-01T00:03:00.000Z and differ/,
      });
    }
  });
});
