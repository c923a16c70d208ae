import type { CoverageRange } from '../../market/coverage.ts';
import { intersectLists, spanAhead, spanBack, subtractLists } from '../../market/range-lists.ts';
import { intersectRanges, mergeRanges, type TimeRange } from '../../market/time-range.ts';
import type { Judgement } from './judge-answer.ts';
import { cutKnown, replaceKnown, type Known } from './known.ts';
import {
  createNew,
  isDue,
  isUnwitnessedSilence,
  listFromLedger,
  LONG_SLOTS,
  type UnsettledRange,
  type UnsettledRules,
} from './unsettled-range.ts';
import { isQuietTail } from './unframed-reasons.ts';

/**
 * What one source still lacks: the ledger's view of it, in memory, with when each part is asked for next. The only
 * place that decides what is asked next. What an answer means is judged by `known` (judge-answer.ts) and taken over by
 * `apply` once it is committed, so that memory never says more than the database.
 *
 * All times are epoch milliseconds on the source's grid of `stepMs`; `nowMs` is the exchange's clock.
 */
export class MissingRanges {
  readonly #rules: UnsettledRules;
  #known: Known = [];
  #taken: TimeRange[] = [];
  #available: { readonly ranges: readonly TimeRange[]; readonly validUntil: number } | null = null;

  constructor(rules: UnsettledRules) {
    this.#rules = rules;
  }

  /** Takes over what the ledger says, oldest first. */
  load(ranges: readonly CoverageRange[], nowMs: number): void {
    const parts = listFromLedger(ranges, nowMs, this.#rules);
    this.#replace(ranges, parts);
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

  /**
   * How many slots before `until` are missing: those in flight and deferred count, confirmed empty ones and the quiet
   * tail of a market that trades seldom do not.
   */
  count(until = Infinity): number {
    return this.#countSlots(
      this.#wanted.filter((part) => !isQuietTail(part)),
      until,
    );
  }

  /** How many missing slots are missing because an answer for them held refused rows. */
  countDoubtful(): number {
    return this.#countSlots(
      this.#known.filter(({ verdict }) => verdict === 'doubtful'),
      Infinity,
    );
  }

  /** How many slots the exchange said once to be empty, and not yet a second time. */
  countUnconfirmed(): number {
    return this.#countSlots(
      this.#known.filter(({ state, asks }) => state === 'missing' && asks > 0),
      Infinity,
    );
  }

  /** How often in a row answers for a range were not framed; of its parts the most. */
  countUnframed(range: TimeRange): number {
    return cutKnown(this.#known, range).reduce(
      (most, { verdict, attempts }) => Math.max(most, verdict === 'unframed' ? attempts : 0),
      0,
    );
  }

  /** Whether something is missing because the exchange refused the request for it. */
  get hasRefused(): boolean {
    return this.#known.some(({ state }) => state === 'refused');
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
    const isMissing = (part: UnsettledRange) => part.state !== 'confirmed_empty' && !isQuietTail(part);
    const newest = this.#known.findLast((range) => range.since < until && isMissing(range));
    if (!newest) return null;
    // Back to where the run of wanted slots begins.
    let { since } = newest;
    for (let i = this.#known.indexOf(newest) - 1; i >= 0; i--) {
      const before = this.#known[i];
      if (!before || before.until !== since || !isMissing(before)) break;
      since = before.since;
    }
    return { since, until: newest.until };
  }

  /** What may be asked for now, joined, oldest first. */
  listAvailable(nowMs: number): readonly TimeRange[] {
    if (this.#available && nowMs < this.#available.validUntil) return this.#available.ranges;
    const [due, waiting]: [UnsettledRange[], UnsettledRange[]] = [[], []];
    for (const part of this.#known) (isDue(part, nowMs) ? due : waiting).push(part);
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
    const first = this.#chooseRun(available, nowMs, from);
    if (!first) return null;
    const range =
      from === 'newest'
        ? spanBack(first, length, available, this.#taken)
        : spanAhead(first, length, available, this.#taken);
    this.#take(range);
    return range;
  }

  /**
   * Where to begin. What was refused or told nothing comes after all else, and of that whatever waits longest: the newest
   * would come due again and again before the oldest was asked for once.
   */
  #chooseRun(available: readonly TimeRange[], nowMs: number, from: 'newest' | 'oldest'): TimeRange | null {
    const isPutOff = ({ verdict }: UnsettledRange) => verdict === 'refused' || verdict === 'unframed';
    const due = this.#known.filter((part) => isDue(part, nowMs));
    const fresh = intersectLists(mergeRanges(due.filter((part) => !isPutOff(part))), available);
    if (fresh.length > 0) return (from === 'newest' ? fresh.at(-1) : fresh[0]) ?? null;
    const waiting = due.toSorted((a, b) => a.notBefore - b.notBefore);
    for (const part of waiting) {
      const [free] = intersectLists([part], available).slice(-1);
      if (free) return free;
    }
    return null;
  }

  /**
   * Takes the ranges of silence whose next answer is due, as one range that spans them, where they are longer than
   * `maxSlots` together, or else the newest that only answers without any row spoke for; null where there is none.
   */
  takeLongSilence(nowMs: number, maxSlots: number): TimeRange | null {
    const { stepMs } = this.#rules;
    const long = this.#known.filter((part) => part.asks > 0 && part.state !== 'refused' && isDue(part, nowMs));
    const [unwitnessed, witnessed] = [true, false].map((is) =>
      this.#listLongFree(long.filter((part) => isUnwitnessedSilence(part, stepMs) === is)),
    ) as [TimeRange[], TimeRange[]];
    // Unwitnessed ones one by one: the shorter the span, the finer the candles that reach past it.
    const due = this.#countSlots(witnessed, Infinity) > maxSlots ? witnessed : unwitnessed.slice(-1);
    const [first, last] = [due[0], due.at(-1)];
    if (!first || !last) return null;
    const span = { since: first.since, until: last.until };
    if (this.#taken.some((other) => intersectRanges(other, span))) return null;
    this.#take(span);
    return span;
  }

  /** The long ranges that these make and nobody has taken. */
  #listLongFree(parts: readonly UnsettledRange[]): TimeRange[] {
    return subtractLists(mergeRanges(parts), mergeRanges(this.#taken)).filter(this.#isLong);
  }

  /** Ends what a `take` began; what was not settled meanwhile may be taken again. */
  release(range: TimeRange): void {
    this.#taken = this.#taken.filter((taken) => taken !== range);
    this.#available = null;
  }

  /** What answers are judged by. */
  get known(): Known {
    return this.#known;
  }

  /** Takes over what follows from an answer, once it is committed. */
  apply({ next, replaced }: Pick<Judgement, 'next' | 'replaced'>): void {
    this.#replace(replaced, next);
  }

  get #wanted(): UnsettledRange[] {
    return this.#known.filter(({ state }) => state !== 'confirmed_empty');
  }

  #take(range: TimeRange): void {
    this.#taken.push(range);
    this.#available = null;
  }

  readonly #isLong = ({ since, until }: TimeRange): boolean => until - since >= LONG_SLOTS * this.#rules.stepMs;

  #replace(ranges: readonly TimeRange[], parts: readonly UnsettledRange[]): void {
    this.#known = replaceKnown(this.#known, ranges, parts);
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
