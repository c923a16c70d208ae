import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Hole } from '../../../../src/ingest/collector/judge-holes.ts';
import { judge, judgeRefusal } from '../../../../src/ingest/collector/judge-answer.ts';
import { listUnsettled } from '../../../../src/ingest/collector/known.ts';
import { MissingRanges } from '../../../../src/ingest/collector/missing-ranges.ts';
import { findUncovered, intersectLists, subtractLists } from '../../../../src/market/range-lists.ts';
import type { TimeRange } from '../../../../src/market/time-range.ts';

const STEP = 60_000;
const HOUR = 3_600_000;
const at = (slot: number): number => slot * STEP;
const range = (since: number, until: number) => ({ since: at(since), until: at(until) });

const CONFIRM = 60_000;
const RULES = { stepMs: STEP, confirmAfterMs: CONFIRM };
const create = () => new MissingRanges(RULES);
const hole = (where: { since: number; until: number }, verdict: Hole['verdict'], reason = 'none'): Hole => ({
  range: where,
  verdict,
  reason,
});
/** Judges an answer and takes it over, as after a commit; answers what is written. */
const settle = (missing: MissingRanges, have: TimeRange[], holes: Hole[], now: number) => {
  const verdicts = judge(missing.known, { have, holes }, now, RULES);
  missing.apply(verdicts);
  return verdicts.changes;
};

describe('MissingRanges', () => {
  it('gives the newest page first and none twice while it is in flight', () => {
    const missing = create();
    missing.add(range(0, 25));
    const taken = [1, 2, 3, 4].map(() => missing.take(0, 10));
    assert.deepEqual(taken, [range(15, 25), range(5, 15), range(0, 5), null]);
    missing.release(taken[0]!);
    assert.deepEqual(missing.take(0, 10), range(15, 25));
    assert.equal(missing.count(), 25);
  });

  it('gives the oldest page first where the exchange deletes it', () => {
    const missing = create();
    missing.add(range(0, 25));
    const taken = [1, 2, 3, 4].map(() => missing.take(0, 10, 'oldest'));
    assert.deepEqual(taken, [range(0, 10), range(10, 20), range(20, 25), null]);
  });

  it('asks once for all holes that fit into a page, but not across one in flight', () => {
    const missing = create();
    for (const each of [range(0, 1), range(3, 4), range(7, 9), range(20, 21)]) missing.add(each);
    assert.deepEqual(missing.take(0, 15), range(7, 21));
    missing.add(range(30, 31));
    assert.deepEqual(missing.take(0, 30), range(30, 31));
    assert.deepEqual(missing.take(0, 15), range(0, 4));
  });

  it('believes a hole at the second answer, when that comes long enough after the first, and never sooner', () => {
    const missing = create();
    missing.add(range(0, 10));
    const empty = hole(range(3, 5), 'empty', 'an answer');
    const have = [range(0, 3), range(5, 10)];
    const first = { ...range(3, 5), state: 'missing', asks: 1, firstAskedAt: 7, lastAskedAt: 7, reason: 'an answer' };
    assert.deepEqual(
      settle(missing, have, [empty], 7).filter(({ state }) => state !== 'have'),
      [first],
    );
    assert.deepEqual(
      settle(missing, have, [empty], 7 + CONFIRM - 1).map(({ state }) => state),
      ['have', 'have'],
    );
    assert.deepEqual([missing.count(), missing.countUnconfirmed(), missing.findAvailableEnd(CONFIRM)], [2, 2, null]);
    assert.ok(missing.nextAt(8) >= 7 + CONFIRM);
    const second = settle(missing, have, [empty], 7 + CONFIRM);
    assert.deepEqual(second[1], { ...first, state: 'confirmed_empty', asks: 2, lastAskedAt: 7 + CONFIRM });
    assert.equal(missing.count(), 0);
  });

  it('wants three answers over sixty times as long for a long stretch that no row spoke for', () => {
    const day = { since: at(0), until: at(1440) };
    const bare: Hole = {
      range: range(1000, 1440),
      verdict: 'empty',
      reason: 'an answer without any row',
      isRowless: true,
    };
    const missing = create();
    missing.add(day);
    const [t0, minute] = [48 * HOUR, CONFIRM];
    const states = [0, 1, 2, 30, 59].flatMap((turn) => settle(missing, [], [bare], t0 + turn * minute));
    assert.ok(
      states.every(({ state }) => state === 'missing'),
      'within the hour',
    );
    // The rest of a long range is no short hole either.
    const rest: Hole = { ...bare, range: range(990, 1000) };
    for (const turn of [0, 1]) settle(missing, [], [rest], t0 + turn * minute);
    assert.equal(missing.count(), 1440);
    const [last] = settle(missing, [], [bare], t0 + 60 * minute);
    assert.deepEqual([last?.state, last?.firstAskedAt], ['confirmed_empty', t0]);

    const witnessed = create();
    witnessed.add(day);
    settle(witnessed, [], [{ ...bare, isRowless: false, reason: 'an answer with 9 rows around it has none' }], t0);
    const [second] = settle(witnessed, [], [bare], t0 + minute);
    assert.deepEqual([second?.state, second?.reason], ['confirmed_empty', 'an answer with 9 rows around it has none']);
    const short = create();
    short.add(range(0, 59));
    for (const turn of [0, 1]) settle(short, [], [{ ...bare, range: range(0, 59) }], t0 + turn * minute);
    assert.equal(short.count(), 0, 'a short one as ever');
  });

  it('looks for longer candles where only answers without a row spoke, and waits the hour without a loop', () => {
    const missing = create();
    missing.add(range(0, 120));
    const bare: Hole = { range: range(0, 120), verdict: 'empty', reason: 'an answer without any row', isRowless: true };
    const t0 = 48 * HOUR;
    settle(missing, [], [bare], t0);
    const silence = missing.takeLongSilence(t0 + CONFIRM, 1000);
    assert.deepEqual(silence, range(0, 120));
    missing.release(silence);
    settle(missing, [], [bare], t0 + CONFIRM);
    assert.equal(missing.take(t0 + 2 * CONFIRM, 1000), null);
    assert.equal(missing.nextAt(t0 + 2 * CONFIRM), t0 + HOUR);
  });

  it('looks at an empty hole again three times while it is recent, and never at an old one', () => {
    const missing = create();
    const now = 48 * HOUR;
    const [recent, old] = [range(47 * 60, 47 * 60 + 2), range(60, 62)];
    missing.add(old);
    missing.add(recent);
    for (const at of [now, now + CONFIRM]) settle(missing, [], [hole(old, 'empty'), hole(recent, 'empty')], at);
    assert.deepEqual([missing.count(), missing.take(now + CONFIRM, 10)], [0, null]);
    for (let ask = 1; ask <= 3; ask++) {
      const due = now + CONFIRM + ask * HOUR;
      assert.equal(missing.nextAt(due - 1), due);
      const taken = missing.take(due, 10);
      assert.deepEqual(taken, recent);
      assert.deepEqual(listUnsettled(missing.known, [recent]), [recent]);
      const [change] = settle(missing, [], [hole(recent, 'empty')], due);
      assert.deepEqual([change?.state, change?.asks, change?.lastAskedAt], ['confirmed_empty', 2 + ask, due]);
      missing.release(taken);
    }
    assert.equal(missing.nextAt(now + 5 * HOUR), Infinity);
  });

  it('goes on after a restart where the ledger stands: nothing forgotten, nothing asked at once', () => {
    const now = 48 * HOUR;
    const asked = {
      ...range(0, 5),
      state: 'missing',
      asks: 1,
      firstAskedAt: now - 20_000,
      lastAskedAt: now - 20_000,
    } as const;
    const settled = {
      ...range(5, 9),
      state: 'confirmed_empty',
      asks: 2,
      firstAskedAt: 0,
      lastAskedAt: CONFIRM,
    } as const;
    const recent = {
      ...range(2870, 2872),
      state: 'confirmed_empty',
      asks: 2,
      firstAskedAt: now - 2 * CONFIRM,
    } as const;
    const missing = create();
    missing.load(
      [
        { ...asked, reason: 'r' },
        { ...settled, reason: 'r' },
        { ...recent, lastAskedAt: now - CONFIRM, reason: 'r' },
      ],
      now,
    );
    assert.equal(missing.count(), 5);
    assert.equal(missing.findAvailableEnd(now), null);
    assert.equal(missing.nextAt(now), now - 20_000 + CONFIRM);
    assert.equal(missing.nextAt(now + CONFIRM), now - CONFIRM + HOUR);
    const [change] = settle(missing, [], [hole(range(0, 5), 'empty')], now + 40_000);
    assert.deepEqual([change?.state, change?.asks, change?.firstAskedAt], ['confirmed_empty', 2, now - 20_000]);
  });

  it('keeps a doubtful hole missing and asks for it with growing waits, however often it is met by the way', () => {
    const missing = create();
    const doubtful = hole(range(5, 6), 'doubtful');
    missing.add(range(0, 10));
    const have = [range(0, 5), range(6, 10)];
    const [, change] = settle(missing, have, [doubtful], 1);
    assert.deepEqual([change?.state, change?.asks, change?.lastAskedAt, change?.reason], ['missing', 0, 1, 'none']);
    settle(missing, [], [doubtful], 1_000);
    settle(missing, [], [doubtful], 2_000);
    assert.deepEqual([missing.count(), missing.countDoubtful(), missing.nextAt(3_000)], [1, 1, 60_001]);
    settle(missing, [], [doubtful], 60_001);
    assert.equal(missing.nextAt(60_001), 60_001 + 180_000);
    // An empty answer after it is the first one of its kind.
    settle(missing, [], [hole(range(5, 6), 'empty')], 300_000);
    assert.equal(missing.count(), 1);
    settle(missing, [range(5, 6)], [], 400_000);
    assert.deepEqual([missing.count(), missing.countDoubtful()], [0, 0]);
  });

  it('asks soon again for what is only late, also where it lies behind the end of the answer', () => {
    const missing = create();
    missing.add(range(0, 10));
    settle(missing, [range(0, 9)], [hole(range(9, 10), 'late')], 0);
    assert.deepEqual([missing.count(), missing.findAvailableEnd(0), missing.nextAt(0)], [1, null, 3_000]);
    settle(missing, [range(0, 9)], [hole(range(9, 10), 'late')], 3_000);
    assert.equal(missing.nextAt(3_000), 12_000);
    settle(missing, [], [hole(range(9, 10), 'late')], CONFIRM);
    assert.equal(missing.count(), 1, 'late is never believed, however often');
  });

  it('says of a refused range that it is refused, and why, and asks again with growing waits', () => {
    const missing = create();
    missing.add(range(0, 10));
    const verdicts = judgeRefusal(missing.known, range(2, 4), 'no', 9);
    missing.apply(verdicts);
    const evidence = { asks: 0, firstAskedAt: 9, lastAskedAt: 9, reason: 'no' };
    assert.deepEqual(verdicts.changes, [{ ...range(2, 4), state: 'refused', ...evidence }]);
    assert.deepEqual([missing.hasRefused, missing.count()], [true, 10]);
    assert.deepEqual(missing.listAvailable(9), [range(0, 2), range(4, 10)]);
    assert.equal(missing.nextAt(9), 5_009);
  });

  it('changes nothing before it is told that the answer is committed', () => {
    const missing = create();
    missing.add(range(0, 10));
    judge(missing.known, { have: [range(0, 10)], holes: [] }, 0, RULES);
    assert.equal(missing.count(), 10);
  });

  it('agrees with a slot by slot model, whatever comes', () => {
    let seed = 7;
    const random = (below: number) => (seed = (seed * 16_807) % 2_147_483_647) % below;
    const missing = create();
    const model = new Map<number, 'missing' | 'asked'>();
    const asked = new Map<number, number>();
    let now = 0;
    for (let turn = 0; turn < 2_000; turn++) {
      now += random(40_000);
      const since = random(60);
      const where = range(since, since + 1 + random(8));
      const slots = Array.from({ length: (where.until - where.since) / STEP }, (_, n) => where.since + n * STEP);
      const kind = random(3);
      if (kind === 0 && !slots.some((slot) => model.has(slot))) {
        missing.add(where);
        for (const slot of slots) {
          model.set(slot, 'missing');
          asked.delete(slot);
        }
      } else if (kind === 1) {
        settle(missing, [where], [], now);
        for (const slot of slots) model.delete(slot);
      } else if (kind === 2) {
        settle(
          missing,
          [],
          listUnsettled(missing.known, [where]).map((each) => hole(each, 'empty')),
          now,
        );
        for (const slot of slots.filter((each) => model.has(each))) {
          if (!asked.has(slot)) asked.set(slot, now);
          else if (now - asked.get(slot)! >= CONFIRM) model.delete(slot);
        }
      }
      assert.equal(missing.count(), model.size, `turn ${turn}`);
    }
  });
});

describe('slot ranges', () => {
  it('finds what no slot covers', () => {
    assert.deepEqual(findUncovered(range(0, 10), [at(-1), at(0), at(1), at(4), at(9), at(10)], STEP), [
      range(2, 4),
      range(5, 9),
    ]);
    assert.deepEqual(findUncovered(range(0, 2), [], STEP), [range(0, 2)]);
  });

  it('intersects and subtracts lists', () => {
    const a = [range(0, 5), range(8, 12), range(20, 30)];
    const b = [range(1, 2), range(4, 9), range(25, 26), range(29, 40)];
    assert.deepEqual(intersectLists(a, b), [range(1, 2), range(4, 5), range(8, 9), range(25, 26), range(29, 30)]);
    assert.deepEqual(subtractLists(a, b), [range(0, 1), range(2, 4), range(9, 12), range(20, 25), range(26, 29)]);
    assert.deepEqual(subtractLists([range(0, 10), range(10, 20)], [range(5, 15)]), [range(0, 5), range(15, 20)]);
  });
});
