import { haveRange, type CoverageRange } from '../../market/coverage.ts';
import { intersectRanges, mergeRanges, type TimeRange } from '../../market/time-range.ts';
import { judgeHoles, type Hole } from './judge-holes.ts';
import { cutKnown, listUnsettled, type Known } from './known.ts';
import type { Reading } from './read-answer.ts';
import type { Silence, Source } from './source.ts';
import {
  afterHole,
  afterRefusal,
  isSameEvidence,
  LONG_SLOTS,
  toLedger,
  toRecheck,
  type UnsettledRange,
  type UnsettledRules,
} from './unsettled-range.ts';

/** What follows from an answer: what to write into the ledger, and how to go on once that is committed. */
export interface Judgement {
  /** Oldest first, without overlaps. */
  readonly changes: readonly CoverageRange[];
  /** What is empty for certain by this answer, and was not before. */
  readonly confirmed: readonly TimeRange[];
  /** What is known then of `replaced`. */
  readonly next: readonly UnsettledRange[];
  readonly replaced: readonly TimeRange[];
}

export interface JudgeRules extends UnsettledRules {
  readonly source: Pick<Source, 'untilAt' | 'patienceMs' | 'dueMs'>;
}

/** What follows from an answer that came at `nowMs`. Pure: what is known changes only by `MissingRanges.apply`. */
export function judgeAnswer(known: Known, reading: Reading, nowMs: number, rules: JudgeRules): Judgement {
  const { have, slots, rejected, uncovered, open } = reading;
  const { source, stepMs } = rules;
  const holes = judgeHoles({
    slots,
    rejected,
    holes: listUnsettled(known, uncovered),
    silent: listUnsettled(known, open),
    stepMs,
    lateSince: source.untilAt(nowMs - source.patienceMs),
    earlySince: source.untilAt(nowMs - source.dueMs),
  });
  return judge(known, { have, holes }, nowMs, rules);
}

/** What follows from an answer that holds all of `have`, and has these holes. */
export function judge(
  known: Known,
  { have, holes }: { readonly have: readonly TimeRange[]; readonly holes: readonly Hole[] },
  nowMs: number,
  rules: UnsettledRules,
): Judgement {
  const next: UnsettledRange[] = [];
  const changes: CoverageRange[] = have.map(haveRange);
  const confirmed: TimeRange[] = [];
  // Part of a long run of wanted slots: what one page says of the end of it is no short hole.
  const wanted = holes.length > 0 ? mergeRanges(known.filter(({ state }) => state !== 'confirmed_empty')) : [];
  const long = wanted.filter(({ since, until }) => until - since >= LONG_SLOTS * rules.stepMs);
  for (const hole of holes) {
    const isPartOfLong = long.some((run) => intersectRanges(run, hole.range));
    const isUnwitnessed = hole.isRowless === true && isPartOfLong;
    for (const before of cutKnown(known, hole.range)) {
      const after = afterHole(before, { ...hole, isUnwitnessed }, nowMs, rules.confirmAfterMs);
      // What nobody expects yet is no news for the ledger.
      if (hole.verdict !== 'early' && !isSameEvidence(before, after)) changes.push(toLedger(after));
      if (after.state !== 'confirmed_empty') next.push(after);
      else {
        if (before.state !== 'confirmed_empty') confirmed.push({ since: after.since, until: after.until });
        next.push(...(after === before ? [before] : toRecheck(after, nowMs, rules.stepMs, isPartOfLong)));
      }
    }
  }
  changes.sort((a, b) => a.since - b.since);
  return {
    changes,
    confirmed: mergeRanges(confirmed),
    next,
    replaced: [...have, ...holes.map(({ range }) => range)],
  };
}

/** What follows where longer candles tell of ranges without anything. */
export function judgeSilences(
  known: Known,
  silences: readonly Silence[],
  nowMs: number,
  rules: UnsettledRules,
): Judgement {
  const holes = silences.flatMap(({ range, reason }) =>
    listUnsettled(known, [range]).map((hole) => ({ range: hole, verdict: 'empty' as const, reason })),
  );
  return judge(known, { have: [], holes }, nowMs, rules);
}

/** What follows where the exchange refused the request for a range. */
export function judgeRefusal(known: Known, range: TimeRange, reason: string, nowMs: number): Judgement {
  const next = cutKnown(known, range).map((before) =>
    before.state === 'confirmed_empty' ? before : afterRefusal(before, 'refused', reason, nowMs),
  );
  const changes = next.filter(({ state }) => state === 'refused').map(toLedger);
  return { changes, confirmed: [], next, replaced: [range] };
}
