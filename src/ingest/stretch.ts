import type { CoverageRange } from '../market/coverage.ts';
import type { TimeRange } from '../market/time-range.ts';
import type { Hole } from './judge-holes.ts';

/** A stretch of slots that are not settled: wanted, or confirmed as empty so lately that it is looked at again. */
export interface Stretch extends CoverageRange {
  readonly state: 'missing' | 'refused' | 'confirmed_empty';
  /** What the latest answer meant; `new`: there was none. */
  readonly verdict: 'new' | 'refused' | Exclude<Hole['verdict'], 'early'>;
  /** Answers of this verdict in a row, each in its turn, in this run. */
  readonly attempts: number;
  /** Not asked for before this moment. */
  readonly notBefore: number;
}

export interface StretchRules {
  readonly stepMs: number;
  /** How far apart the answers must be that make a hole a confirmed one. */
  readonly confirmAfterMs: number;
}

interface Wait {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

const HOUR_MS = 3_600_000;
const WAITS: Readonly<Record<'late' | 'doubtful' | 'refused', Wait>> = {
  late: { firstMs: 3_000, factor: 3, maxMs: 300_000 },
  doubtful: { firstMs: 60_000, factor: 3, maxMs: 6 * HOUR_MS },
  refused: { firstMs: 5_000, factor: 3, maxMs: 300_000 },
};
/** An exchange repairs its own outages within a day: until then a hole is looked at again, an hour apart, three times. */
const RECHECK_AGE_MS = 24 * HOUR_MS;
const RECHECK_EVERY_MS = HOUR_MS;
const RECHECK_SPAN_MS = 3 * HOUR_MS;

export function isDue({ notBefore }: Stretch, nowMs: number): boolean {
  return notBefore <= nowMs;
}

export function createNew(since: number, until: number): Stretch {
  const evidence = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
  return { since, until, state: 'missing', ...evidence, verdict: 'new', attempts: 0, notBefore: 0 };
}

/**
 * What the ledger says of a range, as something to ask for; nothing where it is settled. The evidence keeps its times:
 * neither does a restart forget an answer, nor does it ask again at once.
 */
export function fromLedger(range: CoverageRange, nowMs: number, { confirmAfterMs, stepMs }: StretchRules): Stretch[] {
  const { since, until, state, lastAskedAt } = range;
  if (state === 'have' || state === 'out_of_window') return [];
  if (state === 'confirmed_empty') return toRecheck(range, nowMs, stepMs);
  if (lastAskedAt === null) return [createNew(since, until)];
  // A refused row is no empty answer: it leaves a time and counts none.
  const verdict = state === 'refused' ? 'refused' : range.asks > 0 ? 'empty' : 'doubtful';
  // A clock that was wrong once must not stop the asking.
  const notBefore = Math.min(lastAskedAt, nowMs) + confirmAfterMs;
  return [{ ...range, state, verdict, attempts: 0, notBefore }];
}

/** The same stretch after an answer without rows for it. Pass what is confirmed then to `toRecheck`. */
export function afterHole(
  stretch: Stretch,
  { verdict, reason }: Pick<Hole, 'verdict' | 'reason'>,
  nowMs: number,
  confirmAfterMs: number,
): Stretch {
  const isTurn = isDue(stretch, nowMs);
  if (verdict === 'early') return waitForLate({ ...stretch, state: 'missing', reason }, nowMs);
  if (stretch.state === 'confirmed_empty') {
    if (verdict === 'doubtful') return afterRefusal(stretch, 'doubtful', reason, nowMs);
    return isTurn ? { ...stretch, asks: stretch.asks + 1, lastAskedAt: nowMs } : stretch;
  }
  if (verdict === 'doubtful')
    return stretch.verdict === 'doubtful' && !isTurn ? stretch : afterRefusal(stretch, 'doubtful', reason, nowMs);
  const { asks, firstAskedAt } = countEmpty(stretch, nowMs, confirmAfterMs);
  const evidence = { asks, firstAskedAt, lastAskedAt: asks > stretch.asks ? nowMs : stretch.lastAskedAt };
  if (verdict === 'late') return waitForLate({ ...stretch, ...evidence, state: 'missing', reason }, nowMs);
  if (asks >= 2) {
    const state = 'confirmed_empty';
    return {
      ...stretch,
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
  const notBefore = roundUp(firstAskedAt + confirmAfterMs, Math.min(10_000, Math.ceil(confirmAfterMs / 6)));
  return { ...stretch, ...evidence, state: 'missing', reason, verdict, attempts: 0, notBefore };
}

/** The same stretch after a request for it was refused, or a row in it. */
export function afterRefusal(
  stretch: Stretch,
  verdict: 'refused' | 'doubtful',
  reason: string,
  nowMs: number,
): Stretch {
  const isAgain = stretch.verdict === verdict;
  const attempts = isAgain ? stretch.attempts + 1 : 1;
  const firstAskedAt = isAgain ? (stretch.firstAskedAt ?? nowMs) : nowMs;
  const state = verdict === 'refused' ? 'refused' : 'missing';
  const notBefore = nowMs + waitMs(verdict, attempts);
  return { ...stretch, state, asks: 0, firstAskedAt, lastAskedAt: nowMs, reason, verdict, attempts, notBefore };
}

/** The same stretch, asked for again soon, and less often with each answer that came in its turn. */
function waitForLate(stretch: Stretch, nowMs: number): Stretch {
  const isAgain = stretch.verdict === 'late';
  const isTurn = isDue(stretch, nowMs);
  const attempts = isAgain ? stretch.attempts + (isTurn ? 1 : 0) : 1;
  const notBefore = isAgain && !isTurn ? stretch.notBefore : nowMs + waitMs('late', attempts);
  return { ...stretch, verdict: 'late', attempts, notBefore };
}

/** The part of a confirmed range that is looked at again, with the time; empty where it is settled for good. */
export function toRecheck(range: CoverageRange, nowMs: number, stepMs: number): Stretch[] {
  const { until, lastAskedAt, firstAskedAt } = range;
  const recentSlots = Math.floor((until - (nowMs - RECHECK_AGE_MS)) / stepMs);
  const since = Math.max(range.since, until - recentSlots * stepMs);
  if (since >= until || lastAskedAt === null || firstAskedAt === null) return [];
  if (lastAskedAt - firstAskedAt >= RECHECK_SPAN_MS) return [];
  const notBefore = Math.min(lastAskedAt, nowMs) + RECHECK_EVERY_MS;
  return [{ ...range, since, state: 'confirmed_empty', verdict: 'empty', attempts: 0, notBefore }];
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

/** What the ledger keeps of a stretch. */
export function toLedger({ since, until, state, asks, firstAskedAt, lastAskedAt, reason }: CoverageRange) {
  return { since, until, state, asks, firstAskedAt, lastAskedAt, reason } satisfies CoverageRange;
}

/** A range that the exchange, which keeps `depthMs`, deleted before we had it. */
export function toOutOfWindow({ since, until }: TimeRange, depthMs: number): CoverageRange {
  const reason = `the exchange keeps ${Math.round(depthMs / (24 * HOUR_MS))} days of it`;
  return { since, until, state: 'out_of_window', asks: 0, firstAskedAt: null, lastAskedAt: null, reason };
}

/** Answers count only where they are far enough apart: the first one, and each that comes that long after it. */
function countEmpty({ asks, firstAskedAt, lastAskedAt }: Stretch, nowMs: number, confirmAfterMs: number) {
  if (asks === 0 || firstAskedAt === null) return { asks: 1, firstAskedAt: nowMs };
  const isApart = nowMs - (lastAskedAt ?? firstAskedAt) >= confirmAfterMs;
  return { asks: isApart ? asks + 1 : asks, firstAskedAt };
}

function waitMs(verdict: keyof typeof WAITS, attempts: number): number {
  const { firstMs, factor, maxMs } = WAITS[verdict];
  return Math.min(maxMs, firstMs * factor ** (attempts - 1));
}

function roundUp(value: number, grid: number): number {
  return Math.ceil(value / grid) * grid;
}
