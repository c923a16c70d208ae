import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProvisionalSlots } from '../../../../src/ingest/collector/provisional-slots.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SETTLE = 10 * MINUTE;
const range = (since: number, until: number) => ({ since: since * MINUTE, until: until * MINUTE });

describe('UnsettledSlots', () => {
  it('reads ten minutes of candles together, none before it is final', () => {
    const provisional = new ProvisionalSlots({ stepMs: MINUTE, settleMs: SETTLE });
    for (let minute = 0; minute < 30; minute++) provisional.note([range(minute, minute + 1)], (minute + 1) * MINUTE);
    assert.equal(provisional.dueAt(), 20 * MINUTE);
    assert.equal(provisional.findDue(20 * MINUTE - 1, 1000), null);
    assert.deepEqual(provisional.findDue(20 * MINUTE, 1000), range(0, 10));
    provisional.note([range(0, 10)], 20 * MINUTE);
    assert.equal(provisional.dueAt(), 30 * MINUTE);
    assert.deepEqual(provisional.findDue(HOUR, 15), range(10, 25));
  });

  it('reads each candle of an hour by itself', () => {
    const provisional = new ProvisionalSlots({ stepMs: HOUR, settleMs: SETTLE });
    provisional.note([{ since: 0, until: HOUR }], HOUR + 1_000);
    assert.equal(provisional.dueAt(), HOUR + SETTLE);
  });

  it('wants nothing of what was final when it was read', () => {
    const provisional = new ProvisionalSlots({ stepMs: MINUTE, settleMs: SETTLE });
    provisional.note([range(0, 100)], 105 * MINUTE);
    assert.equal(provisional.dueAt(), 95 * MINUTE + 20 * MINUTE);
    provisional.note([range(0, 100)], 110 * MINUTE);
    assert.equal(provisional.dueAt(), Infinity);
  });

  it('asks a few times, with growing waits, for stored slots that an answer does not tell of, and gives up', () => {
    const provisional = new ProvisionalSlots({ stepMs: MINUTE, settleMs: SETTLE });
    provisional.add([range(0, 10)]);
    let now = HOUR;
    const waits: number[] = [];
    for (let attempt = 1; attempt < 5; attempt++) {
      provisional.note([range(0, 4), range(5, 10)], now);
      assert.deepEqual(provisional.noteAnswered(range(0, 10), now), []);
      waits.push(provisional.dueAt() - now);
      now = provisional.dueAt();
      assert.deepEqual(provisional.findDue(now, 1000), range(4, 5));
    }
    assert.deepEqual(
      waits,
      [1, 2, 4, 8].map((minutes) => minutes * MINUTE),
    );
    assert.deepEqual(provisional.noteAnswered(range(0, 10), now), [range(4, 5)]);
    assert.equal(provisional.dueAt(), Infinity);
  });

  it('reads nothing again where nothing settles', () => {
    const provisional = new ProvisionalSlots({ stepMs: HOUR, settleMs: null });
    provisional.note([range(0, 600)], 0);
    provisional.add([range(0, 600)]);
    assert.equal(provisional.dueAt(), Infinity);
  });
});
