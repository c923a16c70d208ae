import { intersectRanges, mergeRanges, type TimeRange } from '../market/time-range.ts';
import { intersectLists, subtractLists } from './slot-ranges.ts';

/** A hole inside an answered range, by what it means. */
type HoleVerdict =
  /** The newest slots: the exchange may only be late. Asked again soon, with growing waits. */
  | 'late'
  /** The answer held rows that were refused: the slot may exist. Asked again with long waits; still missing. */
  | 'doubtful'
  /** The exchange has none, but so much of it that only a second answer, some seconds later, is believed. */
  | 'suspect'
  /** The exchange has none. No longer missing; looked at again a few times while it is recent. */
  | 'empty';

export interface Hole {
  readonly range: TimeRange;
  readonly verdict: HoleVerdict;
}

interface Recheck {
  readonly range: TimeRange;
  readonly attempts: number;
  readonly notBefore: number;
}

interface Deferral extends Recheck {
  /** `rejected`: not a hole; the exchange refused the request for it. Asked again with growing waits. */
  readonly verdict: 'late' | 'doubtful' | 'suspect' | 'rejected';
}

const HOUR_MS = 3_600_000;
const LATE_FIRST_MS = 3_000;
const LATE_MAX_MS = 300_000;
const REJECTED_FIRST_MS = 5_000;
const REJECTED_MAX_MS = 300_000;
const SUSPECT_WAIT_MS = 5_000;
/** Second answers fall due at multiples of it: what was met together is asked for together. */
const SUSPECT_GRID_MS = 1_000;
const DOUBTFUL_FIRST_MS = 600_000;
const DOUBTFUL_MAX_MS = 6 * HOUR_MS;
/** An exchange repairs its own outages within a day; older holes are asked for once in a run. */
const RECHECK_AGE_MS = 24 * HOUR_MS;
const MAX_RECHECKS = 3;

/**
 * What one series still lacks, in memory: the only place that decides what is asked next and what an unanswered slot
 * means. It is filled from the database at each start; a confirmed empty range is remembered for this run only, so
 * this class is where a durable ledger of confirmed ranges attaches.
 *
 * All times are epoch milliseconds on the series' grid of `stepMs`; `nowMs` is the exchange's clock.
 */
export class MissingRanges {
  readonly #stepMs: number;
  #missing: TimeRange[] = [];
  #taken: TimeRange[] = [];
  #deferrals: Deferral[] = [];
  #rechecks: Recheck[] = [];
  #available: { readonly ranges: readonly TimeRange[]; readonly validUntil: number } | null = null;

  constructor(deps: { stepMs: number }) {
    this.#stepMs = deps.stepMs;
  }

  /** Notes ranges as missing; what was known already stays as it is. */
  add(ranges: readonly TimeRange[]): void {
    this.#missing = mergeRanges([...this.#missing, ...ranges]);
    this.#available = null;
  }

  /** How many slots before `until` are missing: those in flight and deferred count, confirmed empty ones do not. */
  count(until = Infinity): number {
    return this.#countSlots(this.#missing, until);
  }

  /** How many missing slots are missing because an answer for them held refused rows. */
  countDoubtful(): number {
    return this.#countSlots(this.#listDeferred('doubtful'), Infinity);
  }

  /** Whether something is missing because the exchange refused the request for it. */
  get hasRejected(): boolean {
    return this.#deferrals.some(({ verdict }) => verdict === 'rejected');
  }

  /** The ranges whose second answer is due, as one that spans them, where it is longer than `maxSlots`. */
  findDueSuspects(nowMs: number, maxSlots: number): TimeRange | null {
    const taken = mergeRanges(this.#taken);
    const due = subtractLists(this.#listDeferred('suspect', nowMs), taken);
    const [first, last] = [due[0], due.at(-1)];
    if (!first || !last || this.#countSlots(due, Infinity) <= maxSlots) return null;
    const span = { since: first.since, until: last.until };
    return taken.some((other) => intersectRanges(other, span)) ? null : span;
  }

  /** Notes that nothing can be expected before a moment: what is suspect there is believed without a second answer. */
  believeBefore(until: number, nowMs: number): void {
    const early = intersectLists(this.#listDeferred('suspect'), [{ since: -Infinity, until }]);
    for (const range of early) this.record(range, [], nowMs);
  }

  /** Takes a range out of what may be asked for, until `release`. */
  take(range: TimeRange): void {
    this.#taken.push(range);
    this.#available = null;
  }

  /** Notes that the exchange refused the request for a range. */
  reject(range: TimeRange, nowMs: number): void {
    const holes = intersectLists(this.#missing, [range]);
    const previous = this.#deferrals;
    this.#deferrals = previous.flatMap((entry) => (entry.verdict === 'rejected' ? cut(entry, holes) : [entry]));
    for (const hole of holes) this.#defer(hole, 'rejected', previous, nowMs);
    this.#available = null;
  }

  /** The oldest missing range, or null. */
  findOldest(): TimeRange | null {
    return this.#missing[0] ?? null;
  }

  /** The newest missing range that begins before `until`, or null. */
  findNewest(until = Infinity): TimeRange | null {
    return this.#missing.findLast((range) => range.since < until) ?? null;
  }

  /** The end of the newest range that may be asked for now, or null where there is none. */
  findAvailableEnd(nowMs: number): number | null {
    return this.#listAvailable(nowMs).at(-1)?.until ?? null;
  }

  /** When something may be asked for: now or earlier, later, or Infinity where nothing waits. */
  nextAt(nowMs: number): number {
    if (this.findAvailableEnd(nowMs) !== null) return nowMs;
    return Math.min(
      Infinity,
      ...[...this.#deferrals, ...this.#rechecks].map(({ notBefore }) => notBefore).filter((at) => at > nowMs),
    );
  }

  /**
   * Takes the newest range of at most `maxSlots` that may be asked for, or null. It spans what is known already
   * between two holes: one question for a page with 600 holes. Give it back with `release`.
   */
  takeNewest(nowMs: number, maxSlots: number): TimeRange | null {
    const available = this.#listAvailable(nowMs);
    const newest = available.at(-1);
    if (!newest) return null;
    const takenBelow = this.#taken.filter(({ until }) => until <= newest.until).map(({ until }) => until);
    const floor = Math.max(newest.until - maxSlots * this.#stepMs, ...takenBelow);
    const oldest = available.find(({ until }) => until > floor) ?? newest;
    const range = { since: Math.max(oldest.since, floor), until: newest.until };
    this.take(range);
    return range;
  }

  /** Ends what `takeNewest` began; what was not recorded meanwhile may be taken again. */
  release(range: TimeRange): void {
    this.#taken = this.#taken.filter((taken) => taken !== range);
    this.#available = null;
  }

  /** The parts of `uncovered` (sorted) that matter: missing, or confirmed empty and due for another look. */
  findHoles(uncovered: readonly TimeRange[], nowMs: number): TimeRange[] {
    const due = this.#rechecks.filter((entry) => isDue(entry, nowMs)).map(({ range }) => range);
    return intersectLists(mergeRanges([...this.#missing, ...due]), uncovered);
  }

  /**
   * Notes an answer whose candles are committed: nothing in `answered` is missing but the holes, as judged (a hole may
   * also lie behind its end, where the exchange has not published anything yet). A hole that
   * was met by the way, before its turn, keeps its turn: reading the newest slots again must not use up its attempts.
   *
   * @returns the suspect ranges that are believed now, oldest first.
   */
  record(answered: TimeRange, judged: readonly Hole[], nowMs: number): TimeRange[] {
    const [deferrals, rechecks] = [this.#deferrals, this.#rechecks];
    const seconds = this.#listDeferred('suspect', nowMs);
    const holes = judged.flatMap((hole) => this.#splitSuspect(hole, nowMs));
    const empty = holes.filter(({ verdict }) => verdict === 'empty').map(({ range }) => range);
    const unsettled = holes.filter(({ verdict }) => verdict !== 'empty').map(({ range }) => range);
    this.#missing = mergeRanges([...subtractLists(this.#missing, [answered]), ...unsettled]);
    const asked = mergeRanges([answered, ...unsettled]);
    this.#deferrals = deferrals.flatMap((entry) => cut(entry, asked));
    this.#rechecks = rechecks.flatMap((entry) => (isDue(entry, nowMs) ? cut(entry, [answered]) : [entry]));
    for (const { range, verdict } of holes) {
      if (verdict === 'empty') {
        const asks = 1 + (findMost(rechecks, range)?.attempts ?? 0);
        if (asks <= MAX_RECHECKS && nowMs - range.until < RECHECK_AGE_MS)
          this.#rechecks.push({ range, attempts: asks, notBefore: nowMs + HOUR_MS });
        continue;
      }
      this.#defer(range, verdict, deferrals, nowMs);
    }
    this.#available = null;
    return intersectLists(mergeRanges(empty), seconds);
  }

  #defer(range: TimeRange, verdict: Deferral['verdict'], known: readonly Deferral[], nowMs: number): void {
    const same = known.filter((entry) => entry.verdict === verdict);
    const previous = findMost(same, range);
    if (previous && !isDue(previous, nowMs)) {
      this.#deferrals.push({ ...previous, range });
    } else {
      const attempts = 1 + (previous?.attempts ?? 0);
      this.#deferrals.push({ range, verdict, attempts, notBefore: dueAt(verdict, attempts, nowMs) });
    }
  }

  /**
   * What an answer without anything means where others spoke of the same range before: it stays suspect while its
   * second answer is not due, and a second answer is believed, as is one for what was waited for or believed already.
   */
  #splitSuspect({ range, verdict }: Hole, nowMs: number): Hole[] {
    if (verdict !== 'suspect' && verdict !== 'empty') return [{ range, verdict }];
    const waiting = this.#deferrals.filter((entry) => entry.verdict === 'suspect' && !isDue(entry, nowMs));
    const kept = intersectLists([range], mergeRanges(waiting.map((entry) => entry.range)));
    const rest = subtractLists([range], kept);
    const answeredBefore = mergeRanges([
      ...this.#listDeferred('suspect', nowMs),
      ...this.#listDeferred('late'),
      ...this.#rechecks.map((entry) => entry.range),
    ]);
    const fresh = verdict === 'suspect' ? subtractLists(rest, answeredBefore) : [];
    return [
      ...[...kept, ...fresh].map((part): Hole => ({ range: part, verdict: 'suspect' })),
      ...subtractLists(rest, fresh).map((part): Hole => ({ range: part, verdict: 'empty' })),
    ];
  }

  /** The ranges that were deferred so, oldest first; with `nowMs` those that are due. */
  #listDeferred(verdict: Deferral['verdict'], nowMs = Infinity): TimeRange[] {
    const entries = this.#deferrals.filter((entry) => entry.verdict === verdict && isDue(entry, nowMs));
    return mergeRanges(entries.map(({ range }) => range));
  }

  #countSlots(ranges: readonly TimeRange[], until: number): number {
    return ranges.reduce(
      (sum, range) => sum + Math.max(0, Math.ceil((Math.min(range.until, until) - range.since) / this.#stepMs)),
      0,
    );
  }

  #listAvailable(nowMs: number): readonly TimeRange[] {
    if (this.#available && nowMs < this.#available.validUntil) return this.#available.ranges;
    const waiting = [...this.#deferrals, ...this.#rechecks].filter((entry) => !isDue(entry, nowMs));
    const due = this.#rechecks.filter((entry) => isDue(entry, nowMs));
    const deferred = this.#deferrals.filter((entry) => !isDue(entry, nowMs));
    const wanted = mergeRanges([...this.#missing, ...due.map(({ range }) => range)]);
    const kept = mergeRanges([...this.#taken, ...deferred.map(({ range }) => range)]);
    const ranges = subtractLists(wanted, kept);
    this.#available = { ranges, validUntil: Math.min(Infinity, ...waiting.map(({ notBefore }) => notBefore)) };
    return ranges;
  }
}

function dueAt(verdict: Deferral['verdict'], attempts: number, nowMs: number): number {
  switch (verdict) {
    case 'late':
      return nowMs + Math.min(LATE_MAX_MS, LATE_FIRST_MS * 3 ** (attempts - 1));
    case 'doubtful':
      return nowMs + Math.min(DOUBTFUL_MAX_MS, DOUBTFUL_FIRST_MS * 2 ** (attempts - 1));
    case 'rejected':
      return nowMs + Math.min(REJECTED_MAX_MS, REJECTED_FIRST_MS * 3 ** (attempts - 1));
    case 'suspect':
      return Math.ceil((nowMs + SUSPECT_WAIT_MS) / SUSPECT_GRID_MS) * SUSPECT_GRID_MS;
  }
}

function cut<T extends Recheck>(entry: T, asked: readonly TimeRange[]): T[] {
  return subtractLists([entry.range], asked).map((range) => ({ ...entry, range }));
}

function isDue({ notBefore }: Recheck, nowMs: number): boolean {
  return notBefore <= nowMs;
}

/** The entry with the most attempts of those that overlap `range`. */
function findMost<T extends Recheck>(entries: readonly T[], range: TimeRange): T | null {
  let most: T | null = null;
  for (const entry of entries)
    if (intersectRanges(entry.range, range) && entry.attempts > (most?.attempts ?? 0)) most = entry;
  return most;
}
