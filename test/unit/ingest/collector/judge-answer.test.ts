import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeAnswer, type JudgeRules } from '../../../../src/ingest/collector/judge-answer.ts';
import { MissingRanges } from '../../../../src/ingest/collector/missing-ranges.ts';
import { readAnswer } from '../../../../src/ingest/collector/read-answer.ts';
import { UNFRAMED_REASONS } from '../../../../src/ingest/collector/unframed-reasons.ts';
import type { TimeRange } from '../../../../src/market/time-range.ts';
import { candlesFrom } from '../../../support/candles.ts';

const STEP = 60_000;
const HOUR = 3_600_000;
const at = (slot: number) => slot * STEP;
const range = (since: number, until: number): TimeRange => ({ since: at(since), until: at(until) });
const CONFIRM = 60_000;
/** Long after all slots of these tests. */
const NOW = at(100_000);

const source = {
  stepMs: STEP,
  isFramed: true,
  patienceMs: 120_000,
  dueMs: 15_000,
  untilAt: (nowMs: number) => Math.floor(nowMs / STEP) * STEP,
};
const rulesOf = (firstHave: number, latestHave: number): JudgeRules => ({
  stepMs: STEP,
  confirmAfterMs: CONFIRM,
  source,
  firstHave: at(firstHave),
  latestHave: at(latestHave),
});

/** An answer with rows at these slots, which speaks for the time between them. */
const answerOf = (slots: readonly number[]) => {
  const rows = slots.flatMap((slot) => candlesFrom(at(slot), STEP, 1));
  const [first, last] = [slots[0], slots.at(-1)];
  const answered = first === undefined || last === undefined ? null : range(first, last + 1);
  return { rows, rejected: [], answered, evidence: 'each_slot' as const };
};

/** Judges an answer to `asked` and takes it over, as after a commit. */
function settle(missing: MissingRanges, slots: readonly number[], asked: TimeRange, rules: JudgeRules, nowMs = NOW) {
  const judgement = judgeAnswer(missing.known, readAnswer(source, answerOf(slots), asked, nowMs), nowMs, rules);
  missing.apply(judgement);
  return judgement.changes;
}

const create = (...wanted: TimeRange[]) => {
  const missing = new MissingRanges({ stepMs: STEP, confirmAfterMs: CONFIRM });
  for (const each of wanted) missing.add(each);
  return missing;
};

describe('an answer that speaks only for the time between its rows', () => {
  it('calls a hole empty at the second time that rows stand on both sides of it', () => {
    const missing = create(range(10, 12));
    const rules = rulesOf(0, 50);
    const [first] = settle(missing, [9, 12], range(8, 14), rules).filter(({ state }) => state !== 'have');
    assert.deepEqual([first?.state, first?.asks], ['missing', 1]);
    const [second] = settle(missing, [9, 12], range(8, 14), rules, NOW + CONFIRM).filter(
      ({ state }) => state !== 'have',
    );
    assert.deepEqual([second?.state, second?.asks, missing.count()], ['confirmed_empty', 2, 0]);
  });

  it('says nothing of what lies before its first and behind its last row, however often', () => {
    for (const slots of [[], [9], [12, 13]]) {
      const missing = create(range(10, 12));
      for (let turn = 0; turn < 20; turn++) settle(missing, slots, range(8, 14), rulesOf(0, 50), NOW + turn * HOUR);
      assert.equal(missing.count(), 2, `rows at ${slots.join(', ')}`);
      assert.equal(missing.countUnconfirmed(), 0);
    }
  });

  it('is not asked for again at once where it brought nothing, but at growing intervals', () => {
    const missing = create(range(10, 12));
    const waits: number[] = [];
    for (let nowMs = NOW, turn = 0; turn < 8; turn++) {
      settle(missing, [], range(8, 14), rulesOf(0, 50), nowMs);
      const next = missing.nextAt(nowMs);
      waits.push(next - nowMs);
      nowMs = next;
    }
    assert.deepEqual(
      waits,
      [...waits].toSorted((a, b) => a - b),
    );
    assert.ok((waits[0] ?? 0) >= 5_000);
    assert.equal(waits.at(-1), 6 * HOUR);
  });

  it('leaves the rest of what was asked for due where it brought something', () => {
    const missing = create(range(0, 20));
    settle(missing, [10, 11, 12], range(0, 20), rulesOf(30, 50));
    assert.deepEqual(missing.listAvailable(NOW), [range(0, 10), range(13, 20)]);
  });

  it('has what nothing framed asked for again as soon as a row comes beside it', () => {
    const missing = create(range(10, 12), range(12, 13));
    settle(missing, [], range(8, 12), rulesOf(0, 50));
    assert.deepEqual(missing.listAvailable(NOW), [range(12, 13)]);
    settle(missing, [12], range(12, 13), rulesOf(0, 50), NOW + 1_000);
    assert.deepEqual(missing.listAvailable(NOW + 1_000), [range(10, 12)]);
  });
});

describe('an answer that speaks of nothing but its rows', () => {
  it('has them stored, and says nothing of what lies between them, however often', () => {
    const missing = create(range(10, 20));
    const answer = { ...answerOf([8, 10, 15, 21]), evidence: 'rows' as const };
    const waits: number[] = [];
    for (let nowMs = NOW, turn = 0; turn < 9; turn++) {
      const reading = readAnswer(source, answer, range(8, 22), nowMs);
      const judgement = judgeAnswer(missing.known, reading, nowMs, rulesOf(0, 50));
      missing.apply(judgement);
      if (turn === 0) {
        const have = [range(8, 9), range(10, 11), range(15, 16), range(21, 22)];
        assert.deepEqual(
          judgement.changes.filter(({ state }) => state === 'have').map(({ since, until }) => ({ since, until })),
          have,
        );
      }
      assert.deepEqual(missing.listWanted(), [range(11, 15), range(16, 20)]);
      assert.equal(missing.countUnconfirmed(), 0);
      const next = missing.findAvailableEnd(nowMs) === null ? missing.nextAt(nowMs) : nowMs;
      waits.push(next - nowMs);
      nowMs = next;
    }
    assert.equal(waits.at(-1), 6 * HOUR);
  });
});

describe('what is known after an answer that frames what waited', () => {
  it('speaks of each slot once, also where a row beside it is new', () => {
    const missing = create(range(901, 905));
    const rules = rulesOf(500, 900);
    for (let turn = 0; turn < 4; turn++) settle(missing, [], range(900, 905), rules, NOW + turn * 40_000);
    missing.add(range(905, 906));
    const nowMs = NOW + 130_000;
    settle(missing, [900, 905], range(899, 907), rules, nowMs);
    const { known } = missing;
    for (const [index, { until }] of known.entries()) assert.ok(until <= (known[index + 1]?.since ?? Infinity));
    assert.equal(missing.countUnconfirmed(), 4);
    const again = settle(missing, [900, 905], range(899, 907), rules, nowMs + CONFIRM);
    assert.deepEqual(
      again.filter(({ state }) => state !== 'have').map(({ since, until, state }) => ({ since, until, state })),
      [{ ...range(901, 905), state: 'confirmed_empty' }],
    );
  });
});

describe('the edges of what an exchange tells', () => {
  it('never call empty what lies before the first row, and give it up after three answers over an hour', () => {
    const missing = create(range(0, 500));
    const rules = rulesOf(500, 900);
    const asked = range(400, 501);
    const told = [0, 20, 59, 61].map((minute) => settle(missing, [500], asked, rules, NOW + minute * 60_000));
    assert.deepEqual(
      told.map((changes) => changes.map(({ since, until, state, reason }) => ({ since, until, state, reason }))),
      [...Array<'missing'>(3).fill('missing'), 'out_of_window' as const]
        .map((state) => [
          { since: at(500), until: at(501), state: 'have', reason: null },
          { ...range(0, 500), state, reason: UNFRAMED_REASONS.edge },
        ])
        .map((changes) => changes.toSorted((a, b) => a.since - b.since)),
    );
    assert.equal(missing.count(), 0);
  });

  it('ask nothing older while the newest part before all rows was told nothing of', () => {
    const missing = create(range(0, 500));
    settle(missing, [500], range(400, 501), rulesOf(500, 900));
    assert.deepEqual(missing.listAvailable(NOW), []);
  });

  it('call what lies behind the newest row a quiet tail, which is neither counted nor a lag', () => {
    const missing = create(range(901, 905));
    const told = [0, 10, 20].flatMap((turn) =>
      settle(missing, [], range(900, 905), rulesOf(500, 900), NOW + turn * 1_000),
    );
    assert.deepEqual(
      told.map(({ state, reason }) => [state, reason]),
      [
        ['missing', null],
        ['missing', null],
        ['missing', 'quiet_tail'],
      ],
      'only when each approach was tried',
    );
    missing.add(range(905, 906));
    assert.equal(missing.count(), 1);
    settle(missing, [], range(900, 906), rulesOf(500, 900), NOW + 30_000);
    assert.deepEqual([missing.count(), missing.findNewest()], [0, null]);
    settle(missing, [900, 910], range(899, 912), rulesOf(500, 900), NOW + HOUR);
    assert.equal(missing.countUnconfirmed(), 5, 'the next trade frames it');
  });
});
