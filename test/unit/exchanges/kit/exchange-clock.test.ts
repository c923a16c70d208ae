import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { ExchangeDataError } from '../../../../src/errors.ts';
import { ExchangeClock } from '../../../../src/exchanges/kit/exchange-clock.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const MINUTE = 60_000;
const { signal } = new AbortController();
const logger = pino({ level: 'silent' });

/** A clock whose exchange runs ahead of ours and takes 200 ms to answer. */
function createClock({ aheadMs = 30_000, hasCall = true } = {}) {
  const state = {
    now: NOW,
    asked: 0,
    aheadMs,
    /** How wrong the next answers are, one by one. */
    wrongMs: [] as number[],
    answer: undefined as unknown,
    failure: null as Error | null,
  };
  const askTime = async (_signal: AbortSignal, onSent: () => void) => {
    await Promise.resolve();
    // The call may have waited for its turn before it left.
    state.now += 5_000;
    onSent();
    state.asked += 1;
    if (state.failure) throw state.failure;
    state.now += 100;
    const time = state.now + state.aheadMs + (state.wrongMs.shift() ?? 0);
    state.now += 100;
    return state.answer ?? time;
  };
  const clock = new ExchangeClock({
    client: { id: 'test', closeSignal: signal },
    askTime: hasCall ? askTime : null,
    clock: { now: () => state.now, sleep: () => Promise.reject(new Error('it has nothing to wait for')) },
    logger,
  });
  const noteDate = (offsetMs: number) => clock.noteDate(new Date(state.now + offsetMs).toUTCString());
  return { clock, state, noteDate };
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
    assert.equal(state.asked, 2, 'the first of all times needs a second answer that agrees');
    state.now += 10 * MINUTE;
    await clock.current(signal);
    assert.equal(state.asked, 3);
  });

  it('goes on with what it knows when it cannot ask again, and throws when it knows nothing', async () => {
    const { clock, state } = createClock();
    state.failure = new Error('down');
    await assert.rejects(clock.current(signal), /down/);
    state.failure = null;
    await clock.current(signal);
    const { asked } = state;
    state.failure = new Error('down');
    state.now += 20 * MINUTE;
    assert.equal(await clock.current(signal), state.now + 30_000);
    assert.equal(await clock.current(signal), state.now + 30_000);
    assert.equal(state.asked, asked + 1, 'not asked again at once');
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
});

describe('a wrong time', () => {
  it('moves the clock by no single answer, neither the first nor a later one', async () => {
    for (const wrongMs of [3 * MINUTE, -3 * MINUTE, 2_500]) {
      const { clock, state } = createClock();
      state.wrongMs = [wrongMs];
      assert.equal(await clock.current(signal), state.now + 30_000, `first answer wrong by ${wrongMs}`);
      state.wrongMs = [wrongMs];
      state.now += 11 * MINUTE;
      assert.equal(await clock.current(signal), state.now + 30_000, `later answer wrong by ${wrongMs}`);
    }
  });

  it('is believed when a second answer says the same: one of the clocks was set', async () => {
    const { clock, state } = createClock();
    await clock.current(signal);
    state.aheadMs -= 4 * MINUTE;
    state.now += 11 * MINUTE;
    assert.equal(await clock.current(signal), state.now + 30_000 - 4 * MINUTE);
  });

  it('is not believed where no two answers agree', async () => {
    const { clock, state } = createClock();
    state.wrongMs = [10, 20, 30, 40, 50].map((minutes) => minutes * MINUTE);
    await assert.rejects(clock.current(signal), /contradict each other/);
    assert.equal(clock.now(), null);
    await clock.current(signal);
    state.wrongMs = [10, 20, 30, 40, 50].map((minutes) => minutes * MINUTE);
    state.now += 11 * MINUTE;
    assert.equal(await clock.current(signal), state.now + 30_000);
  });

  it('of ours is found by the next answer, before an open candle can look closed', async () => {
    const { clock, state, noteDate } = createClock();
    await clock.current(signal);
    const { asked } = state;
    noteDate(30_000);
    await clock.current(signal);
    assert.equal(state.asked, asked, 'the Date header agrees');
    // Our clock jumps ahead by five minutes.
    state.now += 5 * MINUTE;
    state.aheadMs -= 5 * MINUTE;
    noteDate(30_000 - 5 * MINUTE);
    assert.equal(await clock.current(signal), state.now + 30_000 - 5 * MINUTE);
  });

  it('in one Date header costs a question and moves nothing', async () => {
    const { clock, state, noteDate } = createClock();
    await clock.current(signal);
    noteDate(20 * MINUTE);
    noteDate(30_000);
    assert.equal(await clock.current(signal), state.now + 30_000);
  });

  it('in all Date headers is noted once, and not asked about at every answer', async () => {
    const { clock, state, noteDate } = createClock();
    noteDate(-60 * MINUTE);
    await clock.current(signal);
    const { asked } = state;
    for (let answer = 0; answer < 20; answer++) {
      noteDate(-60 * MINUTE);
      assert.equal(await clock.current(signal), state.now + 30_000);
    }
    assert.equal(state.asked, asked);
  });

  it('that is doubted serves nobody while it cannot be asked for', async () => {
    const { clock, state, noteDate } = createClock();
    await clock.current(signal);
    noteDate(-10 * MINUTE);
    state.failure = new Error('down');
    await assert.rejects(clock.current(signal), /down/);
    state.failure = null;
    assert.equal(await clock.current(signal), state.now + 30_000);
  });
});

describe('an exchange without a call for its time', () => {
  it('is known by the Date header, or stays behind our clock', async () => {
    const { clock, state, noteDate } = createClock({ hasCall: false });
    assert.equal(await clock.current(signal), state.now - 5_000);
    noteDate(-7_000);
    assert.equal(await clock.current(signal), state.now - 7_000);
  });

  it('gets ahead of our clock by two answers that agree, not by one', async () => {
    const { clock, state, noteDate } = createClock({ hasCall: false });
    noteDate(8_000);
    assert.equal(await clock.current(signal), state.now);
    noteDate(8_000);
    assert.equal(await clock.current(signal), state.now + 8_000);
    noteDate(5 * MINUTE);
    assert.equal(await clock.current(signal), state.now + 8_000);
    noteDate(8_000);
    assert.equal(await clock.current(signal), state.now + 8_000);
  });
});
