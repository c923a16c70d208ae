import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../../../src/errors.ts';
import { ExchangeAccess } from '../../../../src/exchanges/kit/exchange-access.ts';
import { createKeptLog } from '../../../support/kept-log.ts';

const START = Date.UTC(2026, 10, 22, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const unreachable = (retryAfterMs: number | null = null) =>
  new ExchangeUnavailableError('binance', 'connect ECONNREFUSED', { retryAfterMs });
const banned = () => new ExchangeUnavailableError('binance', '418', { reason: 'banned' });
const refused = () => new ExchangeRejectedError('binance', '451', { reason: 'access' });

function createAccess() {
  const { logger, lines } = createKeptLog();
  const time = { now: START };
  const clock = { now: () => time.now, sleep: () => Promise.reject(new Error('nothing waits here')) };
  const access = new ExchangeAccess({ exchange: 'binance', logger, clock });
  return { access, time, count: (msg: string) => lines.filter((line) => line.msg === msg).length };
}

describe('ExchangeAccess', () => {
  it('permits everything until something fails, and again after an answer', () => {
    const { access, time, count } = createAccess();
    assert.deepEqual(access.state(), { state: 'up', until: 0, block: null, lastError: null });
    assert.equal(access.noteFailure(unreachable(), START), null);
    const { state, until, block, lastError } = access.state();
    assert.deepEqual([state, block, lastError], ['down', null, 'connect ECONNREFUSED']);
    assert.ok(until >= START + 500 && until <= START + 1_000, 'the first wait is a second, or half of it');
    access.assertMaySend();
    time.now += 1_000;
    access.noteAnswer(time.now);
    assert.deepEqual(access.state(), { state: 'up', until: 0, block: null, lastError: null });
    assert.equal(count('the exchange does not answer; ingest waits for it'), 1);
    assert.equal(count('the exchange answers again'), 1);
  });

  it('counts failures of requests that were in flight together as one, and says so once a minute', () => {
    const { access, time, count } = createAccess();
    for (let n = 0; n < 50; n++) access.noteFailure(unreachable(), START - 1);
    assert.ok(access.state().until <= START + 1_000);
    for (let n = 0; n < 10; n++) access.noteFailure(unreachable(), (time.now += 6_000));
    assert.ok(access.state().until <= time.now + MINUTE, 'no wait of our own is longer than a minute');
    assert.equal(count('the exchange still does not answer'), 1);
  });

  it('is not ended by an answer to an older request', () => {
    const { access, time } = createAccess();
    time.now += 5_000;
    access.noteFailure(unreachable(), START + 4_000);
    access.noteAnswer(START + 3_000);
    assert.equal(access.state().state, 'down');
  });

  it('stops every request while the exchange ordered it, with its reason and what remains', () => {
    const { access, time } = createAccess();
    assert.equal(access.noteFailure(banned(), START), 2 * MINUTE);
    assert.deepEqual(access.state().block, { reason: 'banned', until: START + 2 * MINUTE, message: '418' });
    time.now += MINUTE;
    const held = (error: unknown) =>
      error instanceof ExchangeUnavailableError && error.reason === 'banned' && error.retryAfterMs === MINUTE;
    assert.throws(() => access.assertMaySend(), held);
    time.now += MINUTE;
    access.assertMaySend();
    assert.equal(access.state().block, null);
  });

  it('waits a quarter of an hour after a refusal, then longer each time, up to four hours: the log says so too', () => {
    const { access, time } = createAccess();
    const minutes = [1, 2, 3, 4, 5, 6].map(() => {
      const waitMs = access.noteFailure(refused(), time.now);
      assert.deepEqual([access.state().state, access.state().until], ['refused', time.now + (waitMs ?? 0)]);
      assert.throws(() => access.assertMaySend(), ExchangeRejectedError);
      time.now = access.state().until;
      return (waitMs ?? 0) / MINUTE;
    });
    assert.deepEqual(minutes, [15, 30, 60, 120, 240, 240]);
    access.noteAnswer(time.now);
    assert.equal(access.state().state, 'up');
    assert.equal(access.noteFailure(refused(), time.now), 15 * MINUTE);
  });

  it('does not count what it held back itself', () => {
    const { access } = createAccess();
    access.noteFailure(banned(), START);
    const before = access.state();
    try {
      access.assertMaySend();
    } catch (error) {
      assert.equal(access.noteFailure(error, START), null);
    }
    assert.deepEqual(access.state(), before);
  });

  it('takes a refusal of one request for an answer, and nonsense for neither', () => {
    const { access, time } = createAccess();
    access.noteFailure(unreachable(), START);
    time.now += MINUTE;
    access.noteFailure(new ExchangeDataError('binance', 'a web page'), time.now);
    assert.equal(access.state().state, 'down');
    access.noteFailure(new ExchangeRejectedError('binance', 'no such market', { reason: 'symbol' }), time.now);
    assert.equal(access.state().state, 'up');
  });

  it('heeds the Retry-After of an exchange in trouble, three days at most, without calling it a block', () => {
    const { access } = createAccess();
    access.noteFailure(unreachable(HOUR), START);
    assert.deepEqual([access.state().until, access.state().block], [START + HOUR, null]);
    access.noteFailure(unreachable(365 * 24 * HOUR), START);
    assert.equal(access.state().until, START + 72 * HOUR);
  });

  it('takes over what others were told', () => {
    const { access } = createAccess();
    access.adoptBlock({ reason: 'banned', until: START + HOUR, message: 'told to another' });
    assert.deepEqual(access.state(), {
      state: 'up',
      until: START + HOUR,
      block: { reason: 'banned', until: START + HOUR, message: 'told to another' },
      lastError: null,
    });
  });
});

describe('a sign that the exchange is back', () => {
  it('ends a wait of our own choice, once', () => {
    const { access } = createAccess();
    for (let n = 0; n < 8; n++) access.noteFailure(unreachable(), START + n);
    assert.ok(access.state().until > START + 20_000);
    assert.equal(access.noteSign(), true);
    assert.ok(access.state().until <= START);
    assert.deepEqual([access.state().state, access.noteSign()], ['down', false], 'only an answer makes it up');
    access.noteFailure(unreachable(), START + 9);
    assert.ok(access.state().until > START + 20_000, 'the try failed: the wait goes on as before');
  });

  it('ends no wait that the exchange asked for', () => {
    const { access } = createAccess();
    for (let n = 0; n < 8; n++) access.noteFailure(unreachable(), START + n);
    access.noteFailure(unreachable(7_000), START + 9);
    access.noteSign();
    assert.equal(access.state().until, START + 7_000);
    access.noteFailure(banned(), START + 10);
    assert.equal(access.noteSign(), false);
    assert.equal(access.state().until, START + 120_000);
    access.noteFailure(refused(), START + 10);
    assert.equal(access.noteSign(), false);
    assert.equal(access.state().until, START + 15 * MINUTE);
  });
});
