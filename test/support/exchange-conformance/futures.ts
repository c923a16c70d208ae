import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { Exchange } from '../../../src/exchanges/exchange.ts';
import { FUTURES_FEEDS, type FuturesFeed } from '../../../src/market/futures-snapshot.ts';
import { AT_ONCE, BEGUN, DAY, HOUR, RANGE, SINCE, isRejected, signal, type Conformance } from './stage.ts';

/** The same of futures feeds. */
export function describeFutures({ wire, test, open }: Conformance): void {
  const { symbol } = wire;
  describe('futures', AT_ONCE, () => {
    const fetchFeed = (exchange: Exchange, feed: FuturesFeed, range = RANGE) =>
      exchange.fetchFutures({ symbol, feed, range }, signal);

    test('offers what it says, each feed under full hours, oldest first, inside the range', async () => {
      await using stage = await open();
      const { exchange } = stage;
      assert.deepEqual([...exchange.futuresFeeds.keys()].toSorted(), [...wire.feeds].toSorted());
      for (const [feed, { limit }] of exchange.futuresFeeds) {
        const { snapshots, rejected, answered } = await fetchFeed(exchange, feed);
        const stepMs = feed === 'funding_rate' ? 8 * HOUR : HOUR;
        const hours = Array.from({ length: Math.ceil((50 * HOUR) / stepMs) }, (_, index) => SINCE + index * stepMs);
        assert.deepEqual(
          snapshots.map(({ timestamp }) => timestamp),
          hours,
          feed,
        );
        assert.ok(
          snapshots.every((snapshot) => feed in snapshot),
          feed,
        );
        assert.deepEqual([rejected, answered], [[], RANGE], feed);
        assert.ok(limit >= hours.length);
      }
    });

    test('never answers beyond what can be known', async () => {
      await using stage = await open();
      const { exchange } = stage;
      for (const feed of exchange.futuresFeeds.keys()) {
        const { snapshots, answered } = await fetchFeed(exchange, feed, { since: BEGUN - DAY, until: BEGUN + DAY });
        assert.ok(answered.until <= BEGUN + HOUR, `${feed}: ${new Date(answered.until).toISOString()}`);
        assert.ok(
          snapshots.every(({ timestamp }) => timestamp < answered.until),
          feed,
        );
      }
    });

    test('has none without a perpetual, and no feed that it does not offer', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      const [inactive] = (await exchange.fetchInstruments(signal)).filter(({ hasPerpetual }) => !hasPerpetual);
      assert.ok(inactive);
      for (const feed of FUTURES_FEEDS) {
        if (exchange.futuresFeeds.has(feed)) {
          const asked = exchange.fetchFutures({ symbol: inactive.symbol, feed, range: RANGE }, signal);
          await assert.rejects(asked, isRejected('symbol'), feed);
        } else {
          await assert.rejects(fetchFeed(exchange, feed), isRejected('request'), feed);
        }
      }
      assert.equal(venue.count('rows'), 0);
    });
  });
}
