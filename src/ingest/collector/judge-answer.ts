import { haveRange, type CoverageRange } from '../../market/coverage.ts';
import { intersectLists, listRange, subtractLists } from '../../market/range-lists.ts';
import { intersectRanges, mergeRanges, type TimeRange } from '../../market/time-range.ts';
import { APPROACHES } from './frame-request.ts';
import { judgeHoles, type Hole } from './judge-holes.ts';
import { cutKnown, listUnsettled, replaceKnown, type Known } from './known.ts';
import type { Reading } from './read-answer.ts';
import type { Silence, Source } from './source.ts';
import {
  afterHole,
  afterRefusal,
  isSameEvidence,
  LONG_SLOTS,
  toLedger,
  toOutOfWindow,
  toRecheck,
  type UnsettledRange,
  type UnsettledRules,
} from './unsettled-range.ts';
import { afterUnframed, isGivenUp } from './unframed.ts';
import { isQuietTail } from './unframed-reasons.ts';

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
  /** The oldest and the newest slot that are known to be stored; Infinity and -Infinity where none is. */
  readonly firstHave: number;
  readonly latestHave: number;
  readonly source: Pick<Source, 'untilAt' | 'patienceMs' | 'dueMs'>;
}

/** What follows from an answer to a request that left at `nowMs`. Pure: what is known changes only by `MissingRanges.apply`. */
export function judgeAnswer(known: Known, reading: Reading, nowMs: number, rules: JudgeRules): Judgement {
  const { have, slots, rejected, uncovered, open, unframed } = reading;
  const { source, stepMs } = rules;
  // Behind a quiet tail nothing is late: the request for the next slot that ends asks for all of it again.
  const isQuiet = known.some(isQuietTail);
  const lateSince = isQuiet ? Infinity : source.untilAt(nowMs - source.patienceMs);
  const holes = judgeHoles({
    slots,
    rejected,
    holes: listUnsettled(known, uncovered),
    silent: listUnsettled(known, open),
    stepMs,
    lateSince,
    earlySince: source.untilAt(nowMs - source.dueMs),
  });
  const judged = judge(known, { have, holes }, nowMs, rules);
  const news = listUnsettled(known, have);
  // What the answer itself frames is judged already, and must not be known twice.
  if (news.length > 0)
    return join(judged, wakeNeighbours(replaceKnown(known, judged.replaced, judged.next), news, nowMs));
  // What is late has its own waits, and an answer that told anything is followed by the next question at once.
  const isNews = judged.changes.some(({ state }) => state !== 'have');
  const old = intersectLists(unframed, [{ since: -Infinity, until: lateSince }]);
  return isNews || old.length === 0 ? judged : join(judged, judgeUnframed(known, old, nowMs, rules));
}

/** Rows came beside ranges that nothing framed until now: they are asked for again. */
function wakeNeighbours(known: Known, news: readonly TimeRange[], nowMs: number): Judgement {
  const woken = known
    .filter(({ verdict, notBefore }) => verdict === 'unframed' && notBefore > nowMs)
    .filter((part) => news.some(({ since, until }) => since === part.until || until === part.since))
    .map((part) => ({ ...part, attempts: 0, notBefore: nowMs }));
  return { changes: [], confirmed: [], next: woken, replaced: woken.map(({ since, until }) => ({ since, until })) };
}

/** What follows where an answer brought nothing new and has no rows around what was asked for. */
function judgeUnframed(known: Known, unframed: readonly TimeRange[], nowMs: number, rules: JudgeRules): Judgement {
  const { firstHave, latestHave, confirmAfterMs } = rules;
  const { since: asked = 0 } = unframed[0] ?? {};
  // What an exchange does not tell of the newest part before all rows it does not tell of the older ones either.
  const isEdge = (unframed.at(-1)?.until ?? Infinity) <= firstHave;
  const oldest = isEdge ? listRange(known[0]?.since ?? asked, asked) : [];
  const changes: CoverageRange[] = [];
  const next: UnsettledRange[] = [];
  const ranges = mergeRanges([...oldest, ...unframed]);
  const isTailQuiet = known.some(isQuietTail);
  const quietAttempts = known.reduce((most, part) => (isQuietTail(part) ? Math.max(most, part.attempts) : most), 0);
  for (const cut of ranges.flatMap((range) => cutKnown(known, range))) {
    const isNewInQuietTail = cut.since > latestHave && quietAttempts > cut.attempts && cut.verdict !== 'unframed';
    const before: UnsettledRange = isNewInQuietTail ? { ...cut, verdict: 'unframed', attempts: quietAttempts } : cut;
    const place = before.until <= firstHave ? 'edge' : before.since > latestHave ? 'tail' : 'inside';
    // A tail is quiet when no approach brought anything, and goes on being so until a row comes.
    const isKnown = place !== 'tail' || isTailQuiet || before.attempts + 1 >= APPROACHES.length;
    const after = afterUnframed(before, isKnown ? place : null, nowMs, confirmAfterMs);
    if (isGivenUp(after, nowMs, confirmAfterMs)) {
      changes.push({ ...toLedger(after), state: 'out_of_window' });
      continue;
    }
    if (!isSameEvidence(cut, after)) changes.push(toLedger(after));
    next.push(after);
  }
  return { changes, confirmed: [], next, replaced: ranges };
}

/** Both, which speak of different slots. */
function join(a: Judgement, b: Judgement): Judgement {
  return {
    changes: [...a.changes, ...b.changes].sort((x, y) => x.since - y.since),
    confirmed: [...a.confirmed, ...b.confirmed],
    next: [...a.next, ...b.next],
    replaced: [...a.replaced, ...b.replaced],
  };
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

/** What follows where the exchange deleted ranges before we had them. */
export function judgeExpired(ranges: readonly TimeRange[], depthMs: number): Judgement {
  const changes = ranges.map((range) => toOutOfWindow(range, depthMs));
  return { changes, confirmed: [], next: [], replaced: ranges };
}

/** The same with what the ledger has not heard of yet and lies before it. */
export function tellBefore(unrecorded: readonly CoverageRange[], judgement: Judgement): Judgement {
  const changes = [...subtractLists(unrecorded, mergeRanges(judgement.changes)), ...judgement.changes];
  return { ...judgement, changes: changes.sort((a, b) => a.since - b.since) };
}
