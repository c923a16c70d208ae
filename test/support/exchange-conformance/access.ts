import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { ExchangeUnavailableError } from '../../../src/errors.ts';
import type { Answer } from '../answering-server.ts';
import {
  AT_ONCE,
  HOUR,
  MINUTE,
  NOW,
  RANGE,
  SECOND,
  isRejected,
  signal,
  type Conformance,
  type Stage,
} from './stage.ts';

/** Until when it may not be asked and why, and what a request costs. */
export function describeAccess({ wire, test, open, fetchHours, kinds }: Conformance): void {
  const { symbol } = wire;
  describe('whether it may be asked', AT_ONCE, () => {
    /** Nothing leaves, whatever is asked for. */
    async function assertHeld({ exchange, venue }: Stage, isHeld: (error: unknown) => boolean): Promise<void> {
      const sent = venue.total();
      await assert.rejects(fetchHours(exchange), isHeld);
      await assert.rejects(exchange.fetchInstruments(signal), isHeld);
      if (wire.tellsTime) await assert.rejects(exchange.fetchTime(signal), isHeld);
      for (const feed of wire.feeds)
        await assert.rejects(exchange.fetchFutures({ symbol, feed, range: RANGE }, signal), isHeld);
      assert.equal(venue.total(), sent);
    }

    test('says what each kind of request costs, and that it may leave', async () => {
      await using stage = await open();
      const { exchange } = stage;
      const counters = exchange.budgets().map(({ name }) => name);
      for (const kind of kinds) {
        const costs = exchange.costOf(kind);
        assert.deepEqual(costs, wire.costOf(kind), kind);
        assert.ok(
          costs.every(({ counter, weight }) => counters.includes(counter) && weight > 0),
          kind,
        );
        for (const isUrgent of [true, false]) assert.ok(exchange.readyAt(kind, isUrgent) <= NOW, kind);
      }
      assert.deepEqual(exchange.access(), { state: 'up', until: 0, block: null, lastError: null });
    });

    const json = { msg: 'slow down' };
    const orders: [string, Answer, number, 'throttled' | 'banned'][] = [
      ['429 with Retry-After', { json, status: 429, headers: { 'retry-after': '7' } }, 7 * SECOND, 'throttled'],
      ['429 without', { json, status: 429 }, 10 * SECOND, 'throttled'],
      ['418 with Retry-After', { json, status: 418, headers: { 'retry-after': '300' } }, 5 * MINUTE, 'banned'],
      ['418 without', { text: 'banned', type: 'text/plain', status: 418 }, 2 * MINUTE, 'banned'],
    ];
    for (const [name, answer, waitMs, reason] of orders) {
      test(`sends nothing before the time that the exchange named: ${name}`, async () => {
        await using stage = await open();
        const { exchange, venue, time } = stage;
        const isHeld = (expectedMs: number) => (error: unknown) =>
          error instanceof ExchangeUnavailableError && error.retryAfterMs === expectedMs && error.reason === reason;
        venue.distort.rows = answer;
        await assert.rejects(fetchHours(exchange), isHeld(waitMs));
        venue.distort.rows = null;
        const { state, until, block } = exchange.access();
        assert.deepEqual([state, until, block?.until, block?.reason], ['down', NOW + waitMs, NOW + waitMs, reason]);
        for (const kind of kinds) assert.equal(exchange.readyAt(kind, true), NOW + waitMs, kind);
        time.now += SECOND;
        await assertHeld(stage, isHeld(waitMs - SECOND));
        time.now = NOW + waitMs;
        assert.equal(exchange.access().block, null);
        assert.ok((await fetchHours(exchange)).candles.length > 0);
        assert.deepEqual(exchange.access(), { state: 'up', until: 0, block: null, lastError: null });
      });
    }

    for (const status of [403, 451]) {
      test(`leaves it alone for a quarter of an hour, then longer, where it refuses us as a whole: ${status}`, async () => {
        await using stage = await open();
        const { exchange, venue, time } = stage;
        venue.distort.rows = { json, status };
        for (const minutes of [15, 30]) {
          assert.equal(exchange.access().block, null);
          await assert.rejects(fetchHours(exchange), isRejected('access'));
          const until = time.now + minutes * MINUTE;
          const { state, block, ...access } = exchange.access();
          assert.deepEqual([state, block?.reason, block?.until, access.until], ['refused', 'refused', until, until]);
          assert.match(block?.message ?? '', new RegExp(`answered ${status}.*use another network or EXCHANGE_URLS`));
          time.now = until - 1;
          await assertHeld(stage, isRejected('access'));
          time.now = until;
        }
        venue.distort.rows = null;
        await fetchHours(exchange);
        assert.deepEqual(exchange.access(), { state: 'up', until: 0, block: null, lastError: null });
      });
    }

    test('takes over what others at our address were told, unless it ends sooner', async () => {
      await using stage = await open();
      const { exchange, time } = stage;
      const block = { reason: 'banned', until: NOW + HOUR, message: 'told to another' } as const;
      exchange.adoptBlock(block);
      exchange.adoptBlock({ reason: 'throttled', until: NOW + MINUTE, message: 'shorter' });
      assert.deepEqual(exchange.access(), { state: 'up', until: block.until, block, lastError: null });
      await assertHeld(stage, (error) => error instanceof ExchangeUnavailableError && error.reason === 'banned');
      time.now = block.until;
      assert.equal(exchange.access().block, null);
      await fetchHours(exchange);
    });

    test('ends a wait of our own choice at a sign, and none that the exchange ordered', async () => {
      await using stage = await open();
      const { exchange, venue, time } = stage;
      assert.equal(exchange.noteSign(), false);
      venue.distort.rows = { json, status: 500 };
      await assert.rejects(fetchHours(exchange), ExchangeUnavailableError);
      assert.deepEqual([exchange.noteSign(), exchange.access().until <= time.now], [true, true]);
      venue.distort.rows = { json, status: 429 };
      await assert.rejects(fetchHours(exchange), ExchangeUnavailableError);
      exchange.noteSign();
      assert.equal(exchange.access().until, time.now + 10 * SECOND);
    });
  });
}
