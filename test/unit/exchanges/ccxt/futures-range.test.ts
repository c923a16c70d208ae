import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeRejectedError } from '../../../../src/errors.ts';
import { clampFuturesRange } from '../../../../src/exchanges/ccxt/futures-range.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2024, 0, 30, 16);
const facts = {
  exchange: 'test',
  subject: 'the funding_rate of BTC/USDT',
  nowMs: T0 + 100 * HOUR,
  depthMs: null,
  reachMs: 10 * HOUR,
};

describe('clampFuturesRange', () => {
  it('starts on a full hour and reaches no further than one request', () => {
    const range = { since: T0 + 1, until: T0 + 50 * HOUR };
    assert.deepEqual(clampFuturesRange({ ...facts, range }), { since: T0 + HOUR, until: T0 + 11 * HOUR });
  });

  it('keeps the end where one request reaches it', () => {
    const range = { since: T0, until: T0 + 3 * HOUR + 5 };
    assert.deepEqual(clampFuturesRange({ ...facts, range }), range);
  });

  it('has nothing where there is no full hour', () => {
    assert.equal(clampFuturesRange({ ...facts, range: { since: T0 + 1, until: T0 + 2 } }), null);
  });

  it('starts where the exchange still has them', () => {
    const range = { since: T0, until: T0 + 100 * HOUR };
    const depthMs = 5 * HOUR + 1;
    const clamped = clampFuturesRange({ ...facts, range, depthMs });
    assert.deepEqual(clamped, { since: T0 + 95 * HOUR, until: T0 + 100 * HOUR });
  });

  it('refuses what the exchange has deleted, and says from when on it has them', () => {
    const range = { since: T0, until: T0 + 95 * HOUR };
    assert.throws(
      () => clampFuturesRange({ ...facts, range, depthMs: 5 * HOUR }),
      (error) =>
        error instanceof ExchangeRejectedError &&
        error.reason === 'request' &&
        error.message.includes('it keeps them from 2024-02-03T15:00:00.000Z on'),
    );
  });
});
