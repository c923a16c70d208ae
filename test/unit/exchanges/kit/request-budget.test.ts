import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestBudget } from '../../../../src/exchanges/kit/request-budget.ts';

/** A full window of five minutes begins here. */
const NOW = Date.UTC(2026, 10, 22, 12);
const MINUTE = 60_000;
const LIMIT = 1_000;
const { signal } = new AbortController();
const awake = () => undefined;

/** A budget of 1,000 a minute whose exchange runs `aheadMs` ahead of us; sleeping moves the clock. */
function createBudget({ aheadMs = 0, sharedBy = 1 } = {}) {
  const state = { now: NOW };
  const sent: number[] = [];
  const budget = new RequestBudget({
    name: 'test',
    limit: LIMIT,
    windowMs: MINUTE,
    clock: {
      now: () => state.now,
      sleep: (ms, by) => {
        by.throwIfAborted();
        state.now += ms;
        return Promise.resolve();
      },
    },
    exchangeNow: () => state.now + aheadMs,
    sharedBy: () => sharedBy,
  });
  /** Sends requests of weight 1 of one kind, as fast as they may leave, until `untilMs`. */
  const sendUntil = async (untilMs: number, isUrgent: boolean, onSent: () => void = awake) => {
    for (;;) {
      const readyAt = budget.readyAt(1, isUrgent);
      if (readyAt >= untilMs) break;
      state.now = Math.max(state.now, readyAt);
      await budget.take(1, signal, awake);
      sent.push(state.now);
      onSent();
    }
    state.now = untilMs;
  };
  const sentIn = (sinceMs: number) => sent.filter((at) => at >= sinceMs && at < sinceMs + MINUTE).length;
  return { budget, state, sent, sendUntil, sentIn };
}

describe('RequestBudget', () => {
  const table: [string, boolean, number, number][] = [
    ['urgent requests nine tenths', true, 900, 780],
    ['others three quarters', false, 750, 680],
  ];
  for (const [name, isUrgent, most, least] of table) {
    it(`gives ${name} of the limit in any window, wherever it starts, and not much less`, async () => {
      const { sent, sendUntil, sentIn } = createBudget();
      await sendUntil(NOW + 5 * MINUTE, isUrgent);
      for (const start of sent) assert.ok(sentIn(start) <= most, `${sentIn(start)} in one window`);
      for (const minute of [1, 2, 3, 4]) assert.ok(sentIn(NOW + minute * MINUTE) >= least);
    });
  }

  it('keeps its limits after a silence too', async () => {
    const { state, sent, sendUntil, sentIn } = createBudget();
    await sendUntil(NOW + 10_000, false);
    state.now = NOW + 50_000;
    await sendUntil(NOW + 3 * MINUTE, true);
    for (const start of sent) assert.ok(sentIn(start) <= 900, `${sentIn(start)} in one window`);
  });

  it('has room for urgent requests while others must wait', async () => {
    const { budget, state, sendUntil } = createBudget();
    await sendUntil(NOW + 2 * MINUTE + 30_000, false);
    assert.ok(budget.readyAt(1, false) > state.now);
    for (let request = 0; request < 50; request++) {
      assert.equal(budget.readyAt(1, true), state.now);
      await budget.take(1, signal, awake);
    }
  });

  it('starts with a part of a burst: the process before this one may have spent all', async () => {
    const { budget, state } = createBudget();
    let sent = 0;
    while (budget.readyAt(1, false) === state.now) {
      await budget.take(1, signal, awake);
      sent++;
    }
    assert.equal(sent, 20);
    while (budget.readyAt(1, true) === state.now) {
      await budget.take(1, signal, awake);
      sent++;
    }
    assert.equal(sent, 70);
  });

  it('tells what was spent, by the count of the exchange where it is higher', async () => {
    const { budget, state } = createBudget();
    state.now += 10_000;
    await budget.take(5, signal, awake);
    assert.deepEqual(budget.state(), { name: 'test', limit: LIMIT, windowMs: MINUTE, used: 5 });
    budget.note(3, state.now);
    assert.equal(budget.state().used, 5, 'two of ours are still on their way');
    budget.note(205, state.now);
    await budget.take(5, signal, awake);
    assert.equal(budget.state().used, 210);
    state.now = NOW + MINUTE;
    assert.equal(budget.state().used, 0);
  });

  it('waits for the next window of the exchange where the count is at its limit', () => {
    for (const aheadMs of [0, 25_000, -25_000]) {
      const { budget, state } = createBudget({ aheadMs });
      state.now += 29_000;
      const windowEnd = Math.ceil((state.now + aheadMs) / MINUTE) * MINUTE - aheadMs;
      budget.note(800, state.now);
      assert.equal(budget.readyAt(1, true), state.now, 'an urgent one may leave');
      assert.equal(budget.readyAt(1, false), windowEnd + 1_000, `ahead by ${aheadMs}`);
      budget.note(950, state.now);
      assert.equal(budget.readyAt(1, true), windowEnd + 1_000);
    }
  });

  it('believes no count that may be that of the window before', () => {
    const { budget, state } = createBudget();
    state.now = NOW + MINUTE + 500;
    budget.note(990, state.now);
    assert.equal(budget.state().used, 0);
    state.now = NOW + MINUTE + 20_000;
    budget.note(990, NOW + 59_000);
    assert.equal(budget.state().used, 0, 'the answer to a request that was sent before');
    budget.note(990, state.now);
    assert.equal(budget.state().used, 990);
  });

  for (const share of [0.3, 0.5, 0.8, 1]) {
    it(`leaves others on the address their part: ${share} of the limit`, async () => {
      const { budget, state, sendUntil } = createBudget();
      const minutes: { ours: number; total: number }[] = [];
      for (let minute = 0; minute < 10; minute++) {
        const startMs = NOW + minute * MINUTE;
        let ours = 0;
        const told = () => ours + Math.floor(((state.now - startMs) / MINUTE) * share * LIMIT);
        await sendUntil(startMs + MINUTE, false, () => {
          ours++;
          budget.note(told(), state.now);
        });
        minutes.push({ ours, total: ours + share * LIMIT });
      }
      // Whoever suddenly spends more than half is made room for in a few windows.
      const settled = minutes.slice(share <= 0.5 ? 0 : 3);
      if (share < 1)
        assert.ok(
          settled.every(({ total }) => total <= LIMIT),
          JSON.stringify(minutes),
        );
      assert.ok(
        settled.every(({ ours }) => ours >= (share <= 0.5 ? 180 : 10)),
        'never driven out altogether',
      );
    });
  }

  it('is used again when the others have gone', async () => {
    const { budget, state, sendUntil, sentIn } = createBudget();
    await sendUntil(NOW + MINUTE, false);
    state.now = NOW + MINUTE + 30_000;
    budget.note(700, state.now);
    await sendUntil(NOW + 8 * MINUTE, false, () => budget.note(0, state.now));
    assert.ok(sentIn(NOW + 2 * MINUTE) < 400);
    assert.ok(sentIn(NOW + 7 * MINUTE) > 680);
  });

  it('halves what it uses after a refusal, and comes back little by little', async () => {
    const { budget, state, sendUntil, sentIn } = createBudget();
    await sendUntil(NOW + MINUTE - 10, false);
    budget.note(700, state.now);
    budget.cut();
    assert.ok(budget.readyAt(1, true) > state.now, 'and not at once');
    await sendUntil(NOW + 9 * MINUTE, false);
    assert.ok(sentIn(NOW + MINUTE) <= 450);
    assert.ok(sentIn(NOW + MINUTE) < sentIn(NOW + 3 * MINUTE));
    assert.ok(sentIn(NOW + 8 * MINUTE) > 680);
  });

  it('takes a third for two hours after a refusal where the exchange tells no count', async () => {
    const { budget, state, sendUntil, sentIn } = createBudget();
    await sendUntil(NOW + MINUTE, false);
    budget.cut();
    await sendUntil(NOW + 3 * MINUTE, false);
    state.now = NOW + 110 * MINUTE;
    await sendUntil(NOW + 112 * MINUTE, false);
    for (const minute of [1, 2, 110, 111]) assert.ok(sentIn(NOW + minute * MINUTE) <= 300, `minute ${minute}`);
    state.now = NOW + 122 * MINUTE;
    await sendUntil(NOW + 140 * MINUTE, false);
    assert.ok(sentIn(NOW + 139 * MINUTE) > 680);
  });

  it('takes an equal part with the others of this service where the exchange tells no count', async () => {
    const { budget, state, sent, sendUntil, sentIn } = createBudget({ sharedBy: 3 });
    await sendUntil(NOW + 3 * MINUTE, true);
    for (const start of sent) assert.ok(sentIn(start) <= 300, `${sentIn(start)} in one window`);
    assert.ok(sentIn(NOW + MINUTE) >= 260);
    state.now = NOW + 3 * MINUTE + 10_000;
    budget.note(0, state.now);
    await sendUntil(NOW + 6 * MINUTE, true);
    assert.ok(sentIn(NOW + 5 * MINUTE) > 780, 'where it tells one they see each other');
  });

  it('gives nothing away when our clock is set', async () => {
    const { budget, state, sendUntil } = createBudget();
    await sendUntil(NOW + 30_000, true);
    state.now -= 10 * MINUTE;
    assert.ok(budget.readyAt(1, true) - state.now < 1_000, 'nor does it wait for the old time');
    state.now += 60 * MINUTE;
    let sent = 0;
    while (budget.readyAt(1, true) === state.now) {
      await budget.take(1, signal, awake);
      sent++;
    }
    assert.equal(sent, 100, 'no more than one burst');
  });

  it('stops waiting when the signal aborts, or when there is no more to wait for', async () => {
    const { budget, sendUntil } = createBudget();
    await sendUntil(NOW + 1, true);
    const reason = new Error('stopping');
    await assert.rejects(budget.take(50, AbortSignal.abort(reason), awake), (error) => error === reason);
    const paused = new Error('paused');
    const onWake = () => {
      throw paused;
    };
    await assert.rejects(budget.take(90, signal, onWake), (error) => error === paused);
  });
});
