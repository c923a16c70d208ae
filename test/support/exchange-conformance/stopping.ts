import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { sleep } from '../../../src/retry.ts';
import { elapsedMs } from '../machine-watch.ts';
import { AT_ONCE, RANGE, signal, type Conformance } from './stage.ts';

/** Signals and `close`. */
export function describeStopping({ test, open, fetchHours }: Conformance): void {
  describe('a caller who stops', AT_ONCE, () => {
    test('gets its own reason at once, and leaves no promise behind', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      venue.distort.rows = { stall: 'headers' };
      const controller = new AbortController();
      const reason = new Error('stopping');
      setTimeout(() => controller.abort(reason), 50);
      const isReason = (error: unknown) => error === reason;
      const tookMs = await elapsedMs(() => assert.rejects(fetchHours(exchange, RANGE, controller.signal), isReason));
      assert.ok(tookMs < 5_000, `${tookMs} ms`);
      await assert.rejects(fetchHours(exchange, RANGE, controller.signal), isReason);
      assert.equal(exchange.access().state, 'up', 'nothing was learned of the exchange');
      // A promise that nobody waits for any more and that rejects now would fail this test.
      await sleep(50);
    });

    test('ends everything by close', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      venue.distort.rows = { stall: 'body' };
      const waiting = fetchHours(exchange);
      setTimeout(() => void exchange.close(), 50);
      await assert.rejects(waiting, /was closed by this service/);
      await assert.rejects(fetchHours(exchange), /was closed by this service/);
      await assert.rejects(exchange.fetchInstruments(signal), /was closed by this service/);
      await exchange.close();
    });
  });
}
