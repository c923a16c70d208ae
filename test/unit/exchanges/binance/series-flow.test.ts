import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeriesFlow } from '../../../../src/exchanges/binance/series-flow.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { candleOf } from '../../../support/candles.ts';

const T0 = Date.UTC(2026, 0, 1, 12);
const MINUTE = 60_000;
const NEW = { isRepeated: false, isAfterGap: false };

function create(): SeriesFlow {
  const stream = 'btcusdt@kline_1m';
  return new SeriesFlow({ symbol: 'BTC/USDT', timeframe: parseTimeframe('1m'), marketId: 'BTCUSDT', stream });
}

describe('SeriesFlow', () => {
  it('tells the same candle sent again from another version of it', () => {
    const flow = create();
    assert.deepEqual(flow.take(candleOf(T0)), NEW);
    assert.deepEqual(flow.take(candleOf(T0)), { isRepeated: true, isAfterGap: false });
    assert.deepEqual(flow.take(candleOf(T0, ['2', '4', '1', '2.5', '8'])), NEW);
  });

  it('notices a skipped candle, once, and not one that comes out of turn', () => {
    const flow = create();
    flow.take(candleOf(T0));
    assert.deepEqual(flow.take(candleOf(T0 + MINUTE)), NEW);
    assert.deepEqual(flow.take(candleOf(T0 + 3 * MINUTE)), { isRepeated: false, isAfterGap: true });
    assert.deepEqual(flow.take(candleOf(T0 + 2 * MINUTE)), NEW);
    assert.deepEqual(flow.take(candleOf(T0 + 4 * MINUTE)), NEW);
  });

  it('expects the candle that was in progress when it began', () => {
    const flow = create();
    assert.equal(flow.resume(T0 + 30_000), false);
    assert.deepEqual(flow.take(candleOf(T0 + MINUTE)), { isRepeated: false, isAfterGap: true });
    const other = create();
    other.resume(T0 + 30_000);
    assert.deepEqual(other.take(candleOf(T0)), NEW);
  });

  it('says after a loss whether a candle ended meanwhile', () => {
    const flow = create();
    flow.resume(T0);
    flow.lose(T0 + 10_000);
    assert.equal(flow.resume(T0 + 50_000), false);
    flow.lose(T0 + 50_000);
    flow.lose(T0 + 70_000);
    assert.equal(flow.resume(T0 + 80_000), true);
    // The push of the candle that ended at 120 s had not come yet.
    flow.lose(T0 + 121_000);
    assert.equal(flow.resume(T0 + 122_000), true);
    // What ended before it resumed was told by `resume`; only what follows is a skipped one.
    assert.deepEqual(flow.take(candleOf(T0 + 2 * MINUTE)), NEW);
  });
});
