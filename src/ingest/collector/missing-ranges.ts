import type { CoverageRange } from '../../market/coverage.ts';
import { intersectRanges, mergeRanges, type TimeRange } from '../../market/time-range.ts';
import type { Hole } from './judge-holes.ts';
import { findIndexAfter, intersectLists, spanAhead, spanBack, subtractLists } from '../../market/range-lists.ts';
import {
  afterHole,
  afterRefusal,
  createNew,
  isDue,
  isSameEvidence,
  isUnbackedSilence,
  listFromLedger,
  LONG_SLOTS,
  toLedger,
  toRecheck,
  type Stretch,
  type StretchRules,
} from './stretch.ts';

/** What an answer means: what to write into the ledger, and how to go on once that is committed. */
export interface Verdicts {
  /** Oldest first, without overlaps. */
  readonly changes: readonly CoverageRange[];
  /** What is empty for certain by this answer, and was not before. */
  readonly confirmed: readonly TimeRange[];
  readonly next: readonly Stretch[];
  readonly replaced: readonly TimeRange[];
}

const HAVE = { state: 'have', asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null } as const;

/**
 * What one source still lacks: the ledger's view of it, in memory, with when each part is asked for next. The only
 * place that decides what is asked next. An answer is applied in two steps, so that memory never says more than what
 * was committed: `judge` tells what to write, `apply` takes it over.
 *
 * All times are epoch milliseconds on the source's grid of `stepMs`; `nowMs` is the exchange's clock.
 */
export class MissingRanges {
  readonly #rules: StretchRules;
  /** Sorted, without overlaps. */
  #stretches: Stretch[] = [];
  #taken: TimeRange[] = [];
  #available: { readonly ranges: readonly TimeRange[]; readonly validUntil: number } | null = null;

  constructor(rules: StretchRules) {
    this.#rules = rules;
  }

  /** Takes over what the ledger says, oldest first. */
  load(ranges: readonly CoverageRange[], nowMs: number): void {
    const stretches = listFromLedger(ranges, nowMs, this.#rules);
    this.#replace(ranges, stretches);
  }

  /** Notes a range that nobody asked for yet. */
  add({ since, until }: TimeRange): void {
    this.#replace([{ since, until }], [createNew(since, until)]);
  }

  /**
   * Notes that the ledger calls these (sorted) missing. What is wanted already keeps its evidence and its time, so that
   * being told again asks for nothing sooner. Answers whether any of it is news.
   */
  addMissing(ranges: readonly TimeRange[]): boolean {
    const news = subtractLists(mergeRanges(ranges), mergeRanges(this.#wanted));
    this.#replace(
      news,
      news.map(({ since, until }) => createNew(since, until)),
    );
    return news.length > 0;
  }

  /** Notes a range as stored, or as no longer wanted. */
  settle(range: TimeRange): void {
    this.#replace([range], []);
  }

  /** How many slots before `until` are missing: those in flight and deferred count, confirmed empty ones do not. */
  count(until = Infinity): number {
    return this.#countSlots(this.#wanted, until);
  }

  /** How many missing slots are missing because an answer for them held refused rows. */
  countDoubtful(): number {
    return this.#countSlots(
      this.#stretches.filter(({ verdict }) => verdict === 'doubtful'),
      Infinity,
    );
  }

  /** How many slots the exchange said once to be empty, and not yet a second time. */
  countUnconfirmed(): number {
    return this.#countSlots(
      this.#stretches.filter(({ state, asks }) => state === 'missing' && asks > 0),
      Infinity,
    );
  }

  /** Whether something is missing because the exchange refused the request for it. */
  get hasRefused(): boolean {
    return this.#stretches.some(({ state }) => state === 'refused');
  }

  /** Wanted ranges before a moment, oldest first. */
  listWanted(until = Infinity): TimeRange[] {
    return intersectLists(mergeRanges(this.#wanted), [{ since: -Infinity, until }]);
  }

  /** The oldest wanted range, or null. */
  findOldest(): TimeRange | null {
    return this.listWanted()[0] ?? null;
  }

  /** The newest wanted range that begins before `until`, or null. */
  findNewest(until = Infinity): TimeRange | null {
    const newest = this.#stretches.findLast((range) => range.since < until && range.state !== 'confirmed_empty');
    if (!newest) return null;
    // Back to where the run of wanted slots begins.
    let { since } = newest;
    for (let i = this.#stretches.indexOf(newest) - 1; i >= 0; i--) {
      const before = this.#stretches[i];
      if (!before || before.until !== since || before.state === 'confirmed_empty') break;
      since = before.since;
    }
    return { since, until: newest.until };
  }

  /** What may be asked for now, joined, oldest first. */
  listAvailable(nowMs: number): readonly TimeRange[] {
    if (this.#available && nowMs < this.#available.validUntil) return this.#available.ranges;
    const [due, waiting]: [Stretch[], Stretch[]] = [[], []];
    for (const stretch of this.#stretches) (isDue(stretch, nowMs) ? due : waiting).push(stretch);
    const ranges = subtractLists(mergeRanges(due), mergeRanges(this.#taken));
    const validUntil = waiting.reduce((soonest, { notBefore }) => Math.min(soonest, notBefore), Infinity);
    this.#available = { ranges, validUntil };
    return ranges;
  }

  /** The end of the newest range that may be asked for now, or null where there is none. */
  findAvailableEnd(nowMs: number): number | null {
    return this.listAvailable(nowMs).at(-1)?.until ?? null;
  }

  /** When more may be asked for than now; Infinity where nothing waits. */
  nextAt(nowMs: number): number {
    this.listAvailable(nowMs);
    return this.#available?.validUntil ?? Infinity;
  }

  /**
   * Takes a range of at most `maxSlots` that may be asked for, the newest or the oldest one, or null. It spans what is
   * known already between two holes: one question for a page with 600 holes. Give it back with `release`.
   */
  take(nowMs: number, maxSlots: number, from: 'newest' | 'oldest' = 'newest'): TimeRange | null {
    const available = this.listAvailable(nowMs);
    const length = maxSlots * this.#rules.stepMs;
    const first = from === 'newest' ? available.at(-1) : available[0];
    if (!first) return null;
    const range =
      from === 'newest'
        ? spanBack(first, length, available, this.#taken)
        : spanAhead(first, length, available, this.#taken);
    this.#take(range);
    return range;
  }

  /**
   * Takes the stretches of silence whose next answer is due, as one range that spans them, where they are longer than
   * `maxSlots` together, or else the newest that only answers without any row spoke for; null where there is none.
   */
  takeLongSilence(nowMs: number, maxSlots: number): TimeRange | null {
    const { stepMs } = this.#rules;
    const long = this.#stretches.filter(
      (stretch) => stretch.asks > 0 && stretch.state !== 'refused' && isDue(stretch, nowMs),
    );
    const [unbacked, backed] = [true, false].map((is) =>
      this.#listLongFree(long.filter((stretch) => isUnbackedSilence(stretch, stepMs) === is)),
    ) as [TimeRange[], TimeRange[]];
    // Unbacked ones one by one: the shorter the span, the finer the candles that reach past it.
    const due = this.#countSlots(backed, Infinity) > maxSlots ? backed : unbacked.slice(-1);
    const [first, last] = [due[0], due.at(-1)];
    if (!first || !last) return null;
    const span = { since: first.since, until: last.until };
    if (this.#taken.some((other) => intersectRanges(other, span))) return null;
    this.#take(span);
    return span;
  }

  /** The long ranges that these make and nobody has taken. */
  #listLongFree(stretches: readonly Stretch[]): TimeRange[] {
    return subtractLists(mergeRanges(stretches), mergeRanges(this.#taken)).filter(this.#isLong);
  }

  /** Ends what a `take` began; what was not settled meanwhile may be taken again. */
  release(range: TimeRange): void {
    this.#taken = this.#taken.filter((taken) => taken !== range);
    this.#available = null;
  }

  /** The parts of `uncovered` (sorted) that matter: wanted, or confirmed as empty lately. */
  findHoles(uncovered: readonly TimeRange[]): TimeRange[] {
    return intersectLists(mergeRanges(this.#stretches), uncovered);
  }

  /** What follows from an answer that holds all of `have`, and has these holes. */
  judge(have: readonly TimeRange[], holes: readonly Hole[], nowMs: number): Verdicts {
    const next: Stretch[] = [];
    const changes: CoverageRange[] = have.map((range) => ({ ...range, ...HAVE }));
    const confirmed: TimeRange[] = [];
    // Part of a long run of wanted slots: what one page says of the end of it is no short hole.
    const long = holes.length > 0 ? mergeRanges(this.#wanted).filter(this.#isLong) : [];
    for (const hole of holes) {
      const isPartOfLong = long.some((run) => intersectRanges(run, hole.range));
      const isUnbacked = hole.isBare === true && isPartOfLong;
      for (const before of this.#cut(hole.range)) {
        const after = afterHole(before, { ...hole, isUnbacked }, nowMs, this.#rules.confirmAfterMs);
        // What nobody expects yet is no news for the ledger.
        if (hole.verdict !== 'early' && !isSameEvidence(before, after)) changes.push(toLedger(after));
        if (after.state !== 'confirmed_empty') next.push(after);
        else {
          if (before.state !== 'confirmed_empty') confirmed.push({ since: after.since, until: after.until });
          next.push(...(after === before ? [before] : toRecheck(after, nowMs, this.#rules.stepMs, isPartOfLong)));
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

  /** What follows where the exchange refused the request for a range. */
  judgeRefusal(range: TimeRange, reason: string, nowMs: number): Verdicts {
    const next = this.#cut(range).map((before) =>
      before.state === 'confirmed_empty' ? before : afterRefusal(before, 'refused', reason, nowMs),
    );
    const changes = next.filter(({ state }) => state === 'refused').map(toLedger);
    return { changes, confirmed: [], next, replaced: [range] };
  }

  /** Takes over what is committed. */
  apply({ next, replaced }: Verdicts): void {
    this.#replace(replaced, next);
  }

  get #wanted(): Stretch[] {
    return this.#stretches.filter(({ state }) => state !== 'confirmed_empty');
  }

  #take(range: TimeRange): void {
    this.#taken.push(range);
    this.#available = null;
  }

  readonly #isLong = ({ since, until }: TimeRange): boolean => until - since >= LONG_SLOTS * this.#rules.stepMs;

  /** The parts of stretches inside a range. */
  #cut(range: TimeRange): Stretch[] {
    const inside: Stretch[] = [];
    for (let i = findIndexAfter(this.#stretches, range.since); i < this.#stretches.length; i++) {
      const stretch = this.#stretches[i];
      if (!stretch || stretch.since >= range.until) break;
      const common = intersectRanges(stretch, range);
      if (common) inside.push({ ...stretch, ...common });
    }
    return inside;
  }

  /** Takes the ranges out and puts stretches in, which lie inside them. */
  #replace(ranges: readonly TimeRange[], stretches: readonly Stretch[]): void {
    const cleared = mergeRanges(ranges);
    const [first, last] = [cleared[0], cleared.at(-1)];
    if (!first || !last) return;
    const from = findIndexAfter(this.#stretches, first.since);
    let to = from;
    while (to < this.#stretches.length && (this.#stretches[to]?.since ?? Infinity) < last.until) to++;
    const kept = this.#stretches
      .slice(from, to)
      .flatMap((stretch) => subtractLists([stretch], cleared).map((range) => ({ ...stretch, ...range })));
    const between = [...kept, ...stretches].sort((a, b) => a.since - b.since);
    // Not splice: a survey may bring more ranges than a call has room for arguments.
    this.#stretches = [...this.#stretches.slice(0, from), ...between, ...this.#stretches.slice(to)];
    this.#available = null;
  }

  #countSlots(ranges: readonly TimeRange[], until: number): number {
    const { stepMs } = this.#rules;
    return ranges.reduce(
      (sum, range) => sum + Math.max(0, Math.ceil((Math.min(range.until, until) - range.since) / stepMs)),
      0,
    );
  }
}
