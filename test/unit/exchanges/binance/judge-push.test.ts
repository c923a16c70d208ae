import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgePush } from '../../../../src/exchanges/binance/judge-push.ts';
import { readMessage } from '../../../../src/exchanges/binance/read-message.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { pushText } from './pushes.ts';

const T0 = Date.UTC(2026, 0, 1, 12);
const FACTS = { marketId: 'BTCUSDT', timeframe: parseTimeframe('1m'), nowMs: T0 + 60_100 };

function judge(changes: Parameters<typeof pushText>[1], facts: Partial<typeof FACTS | { nowMs: null }> = {}) {
  const message = readMessage(Buffer.from(pushText(T0, changes)));
  assert.ok(message.kind === 'closed');
  return judgePush(message, { ...FACTS, ...facts });
}

describe('judgePush', () => {
  it('takes a candle that has ended, whether or not the clock is known', () => {
    const candle = { timestamp: T0, open: '2.00', high: '3.10', low: '1.00', close: '2.50', volume: '7.000' };
    assert.deepEqual(judge({}), candle);
    assert.deepEqual(judge({}, { nowMs: null }), candle);
    // Our measure of the exchange's clock may be behind by a request's time.
    assert.deepEqual(judge({}, { nowMs: T0 + 57_000 }), candle);
  });

  it('does not believe that a candle is closed before its end, by the push or by the clock', () => {
    assert.equal(judge({ E: T0 + 59_999 }), 'the candle is called closed before its end');
    assert.equal(judge({}, { nowMs: T0 + 30_000 }), 'the candle is called closed before its end');
    assert.equal(judge({ E: T0 - 1 }), 'the opening time lies in the future');
  });

  it('refuses a candle of another market or length than its stream', () => {
    assert.equal(
      judge({ s: 'ETHUSDT', stream: 'btcusdt@kline_1m' }),
      'the push is of ETHUSDT on the stream of BTCUSDT',
    );
    assert.equal(judge({ i: '5m', stream: 'btcusdt@kline_1m' }), 'the push is of 5m on a stream of 1m');
    assert.equal(judge({ T: T0 + 299_999 }), 'the closing time says that the candle lasts 5m instead of 1m');
  });

  it('refuses what no candle can be', () => {
    assert.equal(judge({ t: T0 + 1, E: T0 + 61_000 }), 'the opening time is off the 1m grid');
    assert.equal(judge({ o: '1e-5' }), 'open is not a decimal number');
    assert.equal(judge({ v: '-1' }), 'volume is negative');
    assert.equal(judge({ h: '0.5' }), 'low is above high');
    assert.equal(judge({ o: '0', h: '0.00', l: '0', c: '0', v: '0' }), 'all prices are zero');
  });
});
