import type { CoverageRange } from '../../market/coverage.ts';
import { HOUR_MS } from '../../market/moments.ts';
import { mergeRanges, type TimeRange } from '../../market/time-range.ts';
import { ROWLESS_REASON, LATE_REASON, type Hole } from './judge-holes.ts';
import { isUnframedReason, UNFRAMED_REASONS } from './unframed-reasons.ts';

/** A range of slots that are not settled: wanted, or confirmed as empty so lately that it is looked at again. */
export interface UnsettledRange extends CoverageRange {
  readonly state: 'missing' | 'refused' | 'confirmed_empty';
  /** What the latest answer meant; `new`: there was none; `unframed`: no rows stood on both sides of it. */
  readonly verdict: 'new' | 'refused' | 'unframed' | Exclude<Hole['verdict'], 'early'>;
  /** Answers of this verdict in a row, each in its turn, in this run. */
  readonly attempts: number;
  /** Not asked for before this moment. */
  readonly notBefore: number;
}

export interface UnsettledRules {
  readonly stepMs: number;
  /** How far apart the answers must be that make a hole a confirmed one. */
  readonly confirmAfterMs: number;
}

interface Wait {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** Real gaps are minutes long. From this length on silence is worth more proof, and a look in a longer timeframe. */
export const LONG_SLOTS = 60;
/** A long range that only answers without any row speak for: an outage that answers so lasts minutes. */
export const UNWITNESSED_ASKS = 3;
export const UNWITNESSED_SPAN = 60;
const WAITS: Readonly<Record<'late' | 'doubtful' | 'refused' | 'unframed', Wait>> = {
  unframed: { firstMs: 5_000, factor: 6, maxMs: 6 * HOUR_MS },
  late: { firstMs: 3_000, factor: 3, maxMs: 300_000 },
  doubtful: { firstMs: 60_000, factor: 3, maxMs: 6 * HOUR_MS },
  refused: { firstMs: 5_000, factor: 3, maxMs: 300_000 },
};
/** An exchange repairs its own outages within a day: until then a hole is looked at again, an hour apart, three times. */
const RECHECK_AGE_MS = 24 * HOUR_MS;
const RECHECK_EVERY_MS = HOUR_MS;
const RECHECK_SPAN_MS = 3 * HOUR_MS;
/** However old it is, a long one is looked at once more after this time. */
const LONG_RECHECK_MS = 24 * HOUR_MS;

export function isDue({ notBefore }: UnsettledRange, nowMs: number): boolean {
  return notBefore <= nowMs;
}

export function createNew(since: number, until: number): UnsettledRange {
  const evidence = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
  return { since, until, state: 'missing', ...evidence, verdict: 'new', attempts: 0, notBefore: 0 };
}

/**
 * What the ledger says of a range, as something to ask for; nothing where it is settled. The evidence keeps its times:
 * neither does a restart forget an answer, nor does it ask again at once.
 */
function fromLedger(
  range: CoverageRange,
  nowMs: number,
  { confirmAfterMs, stepMs }: UnsettledRules,
  isPartOfLong: boolean,
): UnsettledRange[] {
  const { since, until, state, lastAskedAt } = range;
  if (state === 'have' || state === 'out_of_window') return [];
  if (state === 'confirmed_empty') return toRecheck(range, nowMs, stepMs, isPartOfLong);
  if (lastAskedAt === null) return [createNew(since, until)];
  // A refused row is no empty answer: it leaves a time and counts none.
  const verdict =
    state === 'refused'
      ? 'refused'
      : isUnframedReason(range.reason)
        ? 'unframed'
        : range.asks > 0
          ? 'empty'
          : 'doubtful';
  // A clock that was wrong once must not stop the asking.
  const notBefore = Math.min(lastAskedAt, nowMs) + confirmAfterMs;
  return [{ ...range, state, verdict, attempts: 0, notBefore }];
}

/** What the ledger says, oldest first, as things to ask for. */
export function listFromLedger(
  ranges: readonly CoverageRange[],
  nowMs: number,
  rules: UnsettledRules,
): UnsettledRange[] {
  const empty = mergeRanges(ranges.filter(({ state }) => state === 'confirmed_empty')).filter(
    ({ since, until }) => until - since >= LONG_SLOTS * rules.stepMs,
  );
  let next = 0;
  return ranges.flatMap((range) => {
    while ((empty[next]?.until ?? Infinity) <= range.since) next++;
    return fromLedger(range, nowMs, rules, (empty[next]?.since ?? Infinity) <= range.since);
  });
}

/**
 * The same range after an answer without rows for it. Pass what is confirmed then to `toRecheck`. `isUnwitnessed`: it is
 * part of a long range, and the answer held no row at all; where no other answer spoke for it, two are not enough.
 */
export function afterHole(
  part: UnsettledRange,
  {
    verdict,
    reason: told,
    isUnwitnessed = false,
  }: Pick<Hole, 'verdict' | 'reason'> & { readonly isUnwitnessed?: boolean },
  nowMs: number,
  confirmAfterMs: number,
): UnsettledRange {
  const hasWitness = isWitnessed(part);
  // The better evidence stays, for the ledger to tell it after a restart too.
  const reason = isUnwitnessed && hasWitness ? (part.reason ?? told) : told;
  const isTurn = isDue(part, nowMs);
  if (verdict === 'early') return waitForLate({ ...part, state: 'missing', reason }, nowMs);
  if (part.state === 'confirmed_empty') {
    if (verdict === 'doubtful') return afterRefusal(part, 'doubtful', reason, nowMs);
    return isTurn ? { ...part, asks: part.asks + 1, lastAskedAt: nowMs } : part;
  }
  if (verdict === 'doubtful')
    return part.verdict === 'doubtful' && !isTurn ? part : afterRefusal(part, 'doubtful', reason, nowMs);
  const { asks, firstAskedAt } = countEmpty(part, nowMs, confirmAfterMs);
  const evidence = { asks, firstAskedAt, lastAskedAt: asks > part.asks ? nowMs : part.lastAskedAt };
  if (verdict === 'late') return waitForLate({ ...part, ...evidence, state: 'missing', reason }, nowMs);
  const needsMore = isUnwitnessed && !hasWitness;
  const spanMs = needsMore ? UNWITNESSED_SPAN * confirmAfterMs : confirmAfterMs;
  if (asks >= (needsMore ? UNWITNESSED_ASKS : 2) && (!needsMore || nowMs - firstAskedAt >= spanMs)) {
    const state = 'confirmed_empty';
    return {
      ...part,
      asks,
      firstAskedAt,
      lastAskedAt: nowMs,
      state,
      reason,
      verdict,
      attempts: 0,
      notBefore: nowMs,
    };
  }
  // The second answer soon (a longer timeframe may settle it), the last one when the span is over.
  const dueAt =
    asks < 2
      ? firstAskedAt + confirmAfterMs
      : Math.max(Math.min(firstAskedAt, nowMs) + spanMs, (evidence.lastAskedAt ?? nowMs) + confirmAfterMs);
  const notBefore = roundUp(dueAt, Math.min(10_000, Math.ceil(confirmAfterMs / 6)));
  return { ...part, ...evidence, state: 'missing', reason, verdict, attempts: 0, notBefore };
}

/** The same range after a request for it was refused, or a row in it. */
export function afterRefusal(
  part: UnsettledRange,
  verdict: 'refused' | 'doubtful',
  reason: string,
  nowMs: number,
): UnsettledRange {
  const isAgain = part.verdict === verdict;
  const attempts = isAgain ? part.attempts + 1 : 1;
  const firstAskedAt = isAgain ? (part.firstAskedAt ?? nowMs) : nowMs;
  const state = verdict === 'refused' ? 'refused' : 'missing';
  const notBefore = nowMs + waitMs(verdict, attempts);
  return { ...part, state, asks: 0, firstAskedAt, lastAskedAt: nowMs, reason, verdict, attempts, notBefore };
}

/** The same range, asked for again soon, and less often with each answer that came in its turn. */
function waitForLate(part: UnsettledRange, nowMs: number): UnsettledRange {
  const isAgain = part.verdict === 'late';
  const isTurn = isDue(part, nowMs);
  const attempts = isAgain ? part.attempts + (isTurn ? 1 : 0) : 1;
  const notBefore = isAgain && !isTurn ? part.notBefore : nowMs + waitMs('late', attempts);
  return { ...part, verdict: 'late', attempts, notBefore };
}

/**
 * The parts of a confirmed range that are looked at again, oldest first, with the time; empty where it is settled for
 * good. What is young is looked at hourly; a long range and its parts, also old ones, once a day after the latest
 * answer.
 */
export function toRecheck(range: CoverageRange, nowMs: number, stepMs: number, isPartOfLong = false): UnsettledRange[] {
  const { until, lastAskedAt, firstAskedAt, asks, reason } = range;
  if (lastAskedAt === null || firstAskedAt === null) return [];
  const recentSlots = Math.max(0, Math.floor((until - (nowMs - RECHECK_AGE_MS)) / stepMs));
  const recentSince = Math.max(range.since, until - recentSlots * stepMs);
  const askedMs = lastAskedAt - firstAskedAt;
  const wasLong = asks >= UNWITNESSED_ASKS && reason === ROWLESS_REASON;
  const isLong = isPartOfLong || wasLong || until - range.since >= LONG_SLOTS * stepMs;
  const lateWait = isLong && askedMs < LONG_RECHECK_MS ? LONG_RECHECK_MS : null;
  const create = (since: number, end: number, waitedMs: number | null): UnsettledRange[] => {
    if (since >= end || waitedMs === null) return [];
    const notBefore = Math.min(lastAskedAt, nowMs) + waitedMs;
    return [{ ...range, since, until: end, state: 'confirmed_empty', verdict: 'empty', attempts: 0, notBefore }];
  };
  return [
    ...create(range.since, recentSince, lateWait),
    ...create(recentSince, until, askedMs < RECHECK_SPAN_MS ? RECHECK_EVERY_MS : lateWait),
  ];
}

/** Whether an answer with rows, or candles of a longer timeframe, said that it is empty. */
function isWitnessed({ asks, reason }: CoverageRange): boolean {
  return asks > 0 && reason !== null && reason !== ROWLESS_REASON && reason !== LATE_REASON;
}

/**
 * Whether only answers without any row, or without rows around it, spoke for a long range so far: candles of a longer
 * timeframe may tell.
 */
export function isUnwitnessedSilence(part: UnsettledRange, stepMs: number): boolean {
  const isLong = part.until - part.since >= LONG_SLOTS * stepMs;
  if (part.verdict === 'unframed') return isLong && part.reason !== UNFRAMED_REASONS.edge;
  return isLong && part.state === 'missing' && part.asks > 0 && part.reason === ROWLESS_REASON;
}

/** Whether the ledger would say the same of both. */
export function isSameEvidence(a: CoverageRange, b: CoverageRange): boolean {
  return (
    a.state === b.state &&
    a.asks === b.asks &&
    a.firstAskedAt === b.firstAskedAt &&
    a.lastAskedAt === b.lastAskedAt &&
    a.reason === b.reason
  );
}

/** What the ledger keeps of a range. */
export function toLedger({ since, until, state, asks, firstAskedAt, lastAskedAt, reason }: CoverageRange) {
  return { since, until, state, asks, firstAskedAt, lastAskedAt, reason } satisfies CoverageRange;
}

/** A range that the exchange, which keeps `depthMs`, deleted before we had it. */
export function toOutOfWindow({ since, until }: TimeRange, depthMs: number): CoverageRange {
  const reason = `the exchange keeps ${Math.round(depthMs / (24 * HOUR_MS))} days of it`;
  return { since, until, state: 'out_of_window', asks: 0, firstAskedAt: null, lastAskedAt: null, reason };
}

/** Answers count only where they are far enough apart: the first one, and each that comes that long after it. */
export function countEmpty({ asks, firstAskedAt, lastAskedAt }: UnsettledRange, nowMs: number, confirmAfterMs: number) {
  if (asks === 0 || firstAskedAt === null) return { asks: 1, firstAskedAt: nowMs };
  const isApart = nowMs - (lastAskedAt ?? firstAskedAt) >= confirmAfterMs;
  return { asks: isApart ? asks + 1 : asks, firstAskedAt };
}

/** How long to wait after so many answers of a verdict in a row. */
export function waitMs(verdict: keyof typeof WAITS, attempts: number): number {
  const { firstMs, factor, maxMs } = WAITS[verdict];
  return Math.min(maxMs, firstMs * factor ** (attempts - 1));
}

function roundUp(value: number, grid: number): number {
  return Math.ceil(value / grid) * grid;
}
