import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnsettledSlots } from '../../../../src/ingest/collector/unsettled-slots.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SETTLE = 10 * MINUTE;
const range = (since: number, until: number) => ({ since: since * MINUTE, until: until * MINUTE });

describe('UnsettledSlots', () => {
  it('reads ten minutes of candles together, none before it is final', () => {
    const unsettled = new UnsettledSlots({ stepMs: MINUTE, settleMs: SETTLE });
    for (let minute = 0; minute < 30; minute++) unsettled.note([range(minute, minute + 1)], (minute + 1) * MINUTE);
    assert.equal(unsettled.dueAt(), 20 * MINUTE);
    assert.equal(unsettled.findDue(20 * MINUTE - 1, 1000), null);
    assert.deepEqual(unsettled.findDue(20 * MINUTE, 1000), range(0, 10));
    unsettled.note([range(0, 10)], 20 * MINUTE);
    assert.equal(unsettled.dueAt(), 30 * MINUTE);
    assert.deepEqual(unsettled.findDue(HOUR, 15), range(10, 25));
  });

  it('reads each candle of an hour by itself', () => {
    const unsettled = new UnsettledSlots({ stepMs: HOUR, settleMs: SETTLE });
    unsettled.note([{ since: 0, until: HOUR }], HOUR + 1_000);
    assert.equal(unsettled.dueAt(), HOUR + SETTLE);
  });

  it('wants nothing of what was final when it was read', () => {
    const unsettled = new UnsettledSlots({ stepMs: MINUTE, settleMs: SETTLE });
    unsettled.note([range(0, 100)], 105 * MINUTE);
    assert.equal(unsettled.dueAt(), 95 * MINUTE + 20 * MINUTE);
    unsettled.note([range(0, 100)], 110 * MINUTE);
    assert.equal(unsettled.dueAt(), Infinity);
  });

  it('asks a few times, with growing waits, for stored slots that an answer does not tell of, and gives up', () => {
    const unsettled = new UnsettledSlots({ stepMs: MINUTE, settleMs: SETTLE });
    unsettled.add([range(0, 10)]);
    let now = HOUR;
    const waits: number[] = [];
    for (let attempt = 1; attempt < 5; attempt++) {
      unsettled.note([range(0, 4), range(5, 10)], now);
      assert.deepEqual(unsettled.noteAnswered(range(0, 10), now), []);
      waits.push(unsettled.dueAt() - now);
      now = unsettled.dueAt();
      assert.deepEqual(unsettled.findDue(now, 1000), range(4, 5));
    }
    assert.deepEqual(
      waits,
      [1, 2, 4, 8].map((minutes) => minutes * MINUTE),
    );
    assert.deepEqual(unsettled.noteAnswered(range(0, 10), now), [range(4, 5)]);
    assert.equal(unsettled.dueAt(), Infinity);
  });

  it('reads nothing again where nothing settles', () => {
    const unsettled = new UnsettledSlots({ stepMs: HOUR, settleMs: null });
    unsettled.note([range(0, 600)], 0);
    unsettled.add([range(0, 600)]);
    assert.equal(unsettled.dueAt(), Infinity);
  });
});
