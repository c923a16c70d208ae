import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseBanMs,
  parseRetryAfterMs,
  RequestBudget,
  RequestPause,
} from '../../../../src/exchanges/ccxt/request-pacing.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

describe('parseRetryAfterMs', () => {
  it('reads seconds and dates', () => {
    assert.equal(parseRetryAfterMs('7', NOW), 7_000);
    assert.equal(parseRetryAfterMs(' 0.5 ', NOW), 500);
    assert.equal(parseRetryAfterMs('Sun, 22 Nov 2026 12:00:30 GMT', NOW), 30_000);
    assert.equal(parseRetryAfterMs('Sun, 22 Nov 2026 11:00:00 GMT', NOW), 0);
  });

  it('says nothing where the header does not', () => {
    for (const header of [null, '', 'soon', '-5']) assert.equal(parseRetryAfterMs(header, NOW), null, String(header));
  });
});

describe('parseBanMs', () => {
  it('reads the end of the ban from the text that Binance sends', () => {
    const body =
      '{"code":-1003,"msg":"Way too many requests; IP banned until 1519726649240. Please use the websocket."}';
    assert.equal(parseBanMs(body, 1519726640000), 9_240);
    assert.equal(parseBanMs(body, NOW), 0);
    assert.equal(parseBanMs('banned', NOW), null);
  });
});

describe('RequestPause', () => {
  it('lasts as long as the exchange says', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    assert.equal(pause.remainingMs, 0);
    assert.equal(pause.hold('throttled', 7_000), 7_000);
    now += 6_999;
    assert.equal(pause.remainingMs, 1);
    now += 1;
    assert.equal(pause.remainingMs, 0);
  });

  it('grows where the exchange says nothing, counting refusals that came together once', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    const waits = [1, 2, 3, 4, 5, 6, 7].map(() => {
      pause.hold('throttled', null);
      const waitMs = pause.hold('throttled', null);
      now += waitMs;
      return waitMs;
    });
    assert.deepEqual(waits, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    pause.settle();
    assert.equal(pause.hold('throttled', null), 10_000);
  });

  it('takes a ban without an end as two minutes, and a longer pause over a shorter one', () => {
    const pause = new RequestPause({ now: () => NOW });
    assert.equal(pause.hold('banned', null), 120_000);
    assert.equal(pause.hold('throttled', 5_000), 120_000);
    assert.equal(pause.reason, 'banned');
    assert.equal(pause.hold('banned', 900_000_000_000), 3 * 86_400_000, 'three days are the longest ban');
  });

  it('waits a second at least, whatever the header says', () => {
    assert.equal(new RequestPause({ now: () => NOW }).hold('throttled', 0), 1_000);
  });
});

describe('RequestBudget', () => {
  it('never lets more through in any window than is allowed', async () => {
    const windowMs = 300_000;
    let now = NOW;
    const passed: number[] = [];
    const wait = (ms: number) => {
      passed.push(now + ms);
      return Promise.resolve();
    };
    const budget = new RequestBudget({ requests: 50, windowMs, now: () => now, wait });
    const { signal } = new AbortController();
    for (let request = 0; request < 200; request++) {
      const before = passed.length;
      await budget.take(signal);
      if (passed.length === before) passed.push(now);
      // A burst at first, then one request every other second.
      if (request > 100) now += 2_000;
    }
    assert.equal(passed.filter((at) => at === NOW).length, 5, 'the first few leave at once');
    for (const start of passed) {
      const inWindow = passed.filter((at) => at >= start && at < start + windowMs).length;
      assert.ok(inWindow <= 50, `${inWindow} requests in one window`);
    }
    assert.ok(passed.filter((at) => at < NOW + windowMs).length >= 40, 'most of what is allowed is used');
  });

  it('stops waiting when the signal aborts', async () => {
    const budget = new RequestBudget({ requests: 10, windowMs: 300_000, now: Date.now });
    const controller = new AbortController();
    await budget.take(controller.signal);
    const waiting = budget.take(controller.signal);
    const reason = new Error('stopping');
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
  });
});
