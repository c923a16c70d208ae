import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { toStreamName, toStreamUrl } from '../../../../src/exchanges/binance/stream-names.ts';

describe('toStreamName', () => {
  it('is the market in small letters and the timeframe', () => {
    assert.equal(toStreamName('BTCUSDT', parseTimeframe('1m')), 'btcusdt@kline_1m');
    assert.equal(toStreamName('1000SATSUSDT', parseTimeframe('1w')), '1000satsusdt@kline_1w');
  });

  it('is null for a length that Binance does not stream', () => {
    for (const timeframe of ['7m', '10m', '3h', '2d'])
      assert.equal(toStreamName('BTCUSDT', parseTimeframe(timeframe)), null);
  });
});

describe('toStreamUrl', () => {
  it('is Binance, or the same path at the given origin', () => {
    assert.equal(toStreamUrl(null), 'wss://stream.binance.com:9443/stream');
    assert.equal(toStreamUrl('http://127.0.0.1:9001'), 'ws://127.0.0.1:9001/stream');
    assert.equal(toStreamUrl('https://proxy.example'), 'wss://proxy.example/stream');
  });
});
