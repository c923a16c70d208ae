import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FuturesOffer } from '../../../../src/exchanges/exchange.ts';
import { FuturesSource } from '../../../../src/ingest/collector/futures-source.ts';
import type { FuturesFeed } from '../../../../src/market/futures-snapshot.ts';
import { MemoryExchange, VirtualClock } from '../fakes.ts';
import { HOUR, START } from '../setting.ts';

const HOUR_NOW = Math.floor(START / HOUR) * HOUR;

/** The end of the newest slot that may be stored at half a minute past the hour. */
function untilOf(feed: FuturesFeed, offer: Partial<FuturesOffer>): number {
  const feeds = new Map([[feed, { limit: 100, depthMs: null, ...offer }]]);
  const exchange = new MemoryExchange({ clock: new VirtualClock(START), feeds });
  return new FuturesSource({ symbol: 'BTC/USDT', feed, exchange, jitter: 0 }).untilAt(START);
}

describe('FuturesSource', () => {
  it('takes a value of a moment in its hour, and one of a period when that has ended', () => {
    assert.equal(untilOf('open_interest', {}), HOUR_NOW + HOUR);
    assert.equal(untilOf('open_interest', { periodMs: 0 }), HOUR_NOW + HOUR);
    assert.equal(untilOf('open_interest', { periodMs: HOUR }), HOUR_NOW, 'OKX has its value at the end of the hour');
    assert.equal(untilOf('taker_buy_sell_ratio', {}), HOUR_NOW);
    assert.equal(untilOf('taker_buy_sell_ratio', { periodMs: 0 }), HOUR_NOW + HOUR);
    assert.equal(untilOf('funding_rate', {}), HOUR_NOW + HOUR);
  });

  it('refuses a feed that the exchange does not have', () => {
    const exchange = new MemoryExchange({ clock: new VirtualClock(START) });
    assert.throws(() => new FuturesSource({ symbol: 'BTC/USDT', feed: 'mark_price', exchange, jitter: 0 }), RangeError);
  });
});
