import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { ExchangeDataError } from '../../../../src/errors.ts';
import { ExchangeClock } from '../../../../src/exchanges/ccxt/exchange-clock.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const { signal } = new AbortController();
const logger = pino({ level: 'silent' });

/** A clock whose exchange runs `aheadMs` ahead and takes 200 ms to answer. */
function createClock({
  aheadMs = 30_000,
  hasCall = true,
  serverDate = null as { exchangeMs: number; oursMs: number } | null,
} = {}) {
  const state = { now: NOW, asked: 0, answer: undefined as unknown, failure: null as Error | null };
  const askTime = async () => {
    await Promise.resolve();
    state.asked += 1;
    if (state.failure) throw state.failure;
    state.now += 100;
    const time = state.now + aheadMs;
    state.now += 100;
    return state.answer ?? time;
  };
  const client = { id: 'test', closeSignal: signal, serverDate };
  const clock = new ExchangeClock({ client, askTime: hasCall ? askTime : null, now: () => state.now, logger });
  return { clock, state };
}

describe('ExchangeClock', () => {
  it('measures at the middle of the request, and goes on with our clock', async () => {
    const { clock, state } = createClock();
    assert.equal(clock.now(), null);
    assert.equal(await clock.current(signal), state.now + 30_000);
    state.now += 5_000;
    assert.equal(clock.now(), state.now + 30_000);
  });

  it('asks once for all who wait, and again after ten minutes', async () => {
    const { clock, state } = createClock();
    await Promise.all([clock.current(signal), clock.current(signal), clock.current(signal)]);
    await clock.current(signal);
    assert.equal(state.asked, 1);
    state.now += 10 * 60_000;
    await clock.current(signal);
    assert.equal(state.asked, 2);
  });

  it('goes on with what it knows when it cannot ask again, and throws when it knows nothing', async () => {
    const { clock, state } = createClock();
    state.failure = new Error('down');
    await assert.rejects(clock.current(signal), /down/);
    state.failure = null;
    await clock.current(signal);
    state.failure = new Error('down');
    state.now += 20 * 60_000;
    assert.equal(await clock.current(signal), state.now + 30_000);
    assert.equal(await clock.current(signal), state.now + 30_000);
    assert.equal(state.asked, 3, 'not asked again at once');
    await assert.rejects(clock.measure(signal), /down/);
  });

  it('refuses what is no time', async () => {
    for (const answer of ['soon', 12, NOW + 0.5, null, {}]) {
      const { clock, state } = createClock();
      state.answer = answer ?? 'null';
      await assert.rejects(clock.current(signal), ExchangeDataError);
      assert.equal(clock.now(), null);
    }
  });

  it('uses the Date header, or stays behind our clock, where the exchange has no such call', async () => {
    const serverDate = { exchangeMs: NOW - 7_000, oursMs: NOW };
    assert.equal(await createClock({ hasCall: false, serverDate }).clock.current(signal), NOW - 7_000);
    assert.equal(await createClock({ hasCall: false }).clock.current(signal), NOW - 5_000);
  });
});
