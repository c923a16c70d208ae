import { ExchangeDataError, ExchangeRejectedError } from '../errors.ts';
import { EARLIEST_MS } from '../market/candle.ts';
import { createRange, intersectRanges, type TimeRange } from '../market/time-range.ts';
import { BelievedStretches } from './believed-stretches.ts';
import type { CollectorDeps, Wish } from './collector-deps.ts';
import type { CollectorState } from './ingest-state.ts';
import { judgeHoles } from './judge-holes.ts';
import { MissingRanges } from './missing-ranges.ts';
import { RejectedRows } from './rejected-rows.ts';
import { Setbacks } from './setbacks.ts';
import { findUncovered, listRange } from './slot-ranges.ts';
import type { Source, SourcePage } from './source.ts';

/**
 * Where a collector stands: it reads the newest page first (`opening`), then asks the database what else is missing
 * (`surveying`), then the exchange for its first candle (`probing`), then works off what is missing (`collecting`).
 * The live tail is served in every phase but the first.
 */
type Phase = 'opening' | 'surveying' | 'probing' | 'collecting';

/** A slot that ended just now is neither missing nor a lag: it is being fetched. */
const GRACE_MS = 15_000;
/** How far the exchange's clock may drift from ours between two readings of it. */
const CLOCK_MARGIN_MS = 500;
/** A long stretch is looked at in a longer timeframe; what that leaves open is then asked for page by page. */
const SILENCE_EVERY_MS = 60_000;

/**
 * Brings one source to completeness and keeps it there, one small step at a time; a scheduler decides when. Only what
 * was committed counts as done, so that it may be stopped anywhere.
 */
export class Collector {
  readonly source: Source;
  readonly #deps: CollectorDeps;
  readonly #missing: MissingRanges;
  #phase: Phase = 'opening';
  #isBusy = false;
  #inFlight = 0;
  /** Where the live tail began when this run started: what lies before it is the survey's. */
  #tailSince = 0;
  #since = 0;
  #knownUntil: number | null = null;
  #latestSlot: number | null = null;
  #isServed = false;
  /** Nothing was traded before it; -Infinity while that is not known. */
  #firstKnown = -Infinity;
  #oldestSlot = Infinity;
  #nextSilenceAt = 0;
  readonly #believed: BelievedStretches;
  #rejection: string | null = null;
  readonly #setbacks = new Setbacks();
  readonly #rejects: RejectedRows;

  constructor(deps: CollectorDeps) {
    this.source = deps.source;
    this.#deps = deps;
    this.#missing = new MissingRanges({ stepMs: deps.source.stepMs });
    const { fields, stepMs } = deps.source;
    this.#believed = new BelievedStretches({ fields, stepMs, logger: deps.logger });
    this.#rejects = new RejectedRows({ fields, logger: deps.logger });
  }

  /** Rows that the exchange sent and that cannot be stored, since the start. */
  get rejected(): number {
    return this.#rejects.count;
  }

  /** Why it is held, or something is missing that was refused; null where nothing is wrong. */
  get lastError(): string | null {
    if (this.#setbacks.error !== null) return this.#setbacks.error;
    if (this.#missing.hasRejected) return this.#rejection;
    return this.#missing.countDoubtful() > 0 ? this.#rejects.describe() : null;
  }

  /** Whether the exchange has answered a request of it in this run. */
  get isServed(): boolean {
    return this.#isServed;
  }

  /** Consecutive steps that failed. */
  get failures(): number {
    return this.#setbacks.failures;
  }

  /** The newest slot that is known to be stored, or null. */
  get latestSlot(): number | null {
    return this.#latestSlot;
  }

  /**
   * How many slots are missing, or null where the database was not asked yet. The newest ones, which the exchange may
   * still be late with, do not count: `lagMs` tells about them.
   */
  countMissing(): number | null {
    if (this.#phase === 'opening' || this.#phase === 'surveying') return null;
    return this.#missing.count(this.source.untilAt(this.#deps.now() - this.source.patienceMs - GRACE_MS));
  }

  /** How far the newest slots are behind the exchange's clock: 0 when current, null before the first look. */
  lagMs(): number | null {
    if (this.#knownUntil === null) return null;
    const now = this.#deps.now();
    const until = this.source.untilAt(now - GRACE_MS);
    const newest = this.#missing.findNewest(until);
    if (newest && newest.until >= Math.min(until, this.#knownUntil)) return Math.max(0, now - newest.since);
    return this.#knownUntil < until ? now - this.#knownUntil : 0;
  }

  state(): CollectorState {
    if (this.#setbacks.isRefused) return 'refused';
    const missing = this.countMissing();
    if (missing === null || this.#phase === 'probing') return 'backfilling';
    if ((this.lagMs() ?? 0) > 2 * this.source.stepMs + this.source.patienceMs) return 'behind';
    if (missing === 0) return 'complete';
    return missing <= this.#missing.countDoubtful() ? 'behind' : 'backfilling';
  }

  /** What it wants next. `at` is Infinity where only the end of a step under way can tell. */
  peek(): Wish {
    const { tail, history } = this.source.urgency;
    const now = this.#deps.now();
    const { heldUntil, historyHeldUntil, allFailures } = this.#setbacks;
    const tailAt = (at: number): Wish => ({ urgency: tail, at, isTail: true });
    if (heldUntil > now) return tailAt(heldUntil);
    // After a failure one step goes ahead and tells whether it is over.
    if (allFailures > 0 && this.#inFlight > 0) return tailAt(Infinity);
    if (this.#phase === 'opening') return tailAt(this.#isBusy ? Infinity : now);
    this.#advance(now);
    const availableEnd = this.#missing.findAvailableEnd(now);
    if (availableEnd !== null && availableEnd === this.#knownUntil) return tailAt(now);
    const { stepMs, leadMs, delayMs } = this.source;
    const tailDue = (this.#knownUntil ?? 0) + stepMs - leadMs + delayMs;
    const isWanted = this.#phase === 'collecting' ? availableEnd !== null : !this.#isBusy;
    if (isWanted && historyHeldUntil > now) return tailAt(Math.min(tailDue, historyHeldUntil));
    if (isWanted && historyHeldUntil > 0 && this.#inFlight > 0) return tailAt(tailDue);
    if (isWanted) return { urgency: history, at: now, isTail: false };
    return tailAt(Math.min(this.#phase === 'collecting' ? this.#missing.nextAt(now) : Infinity, tailDue));
  }

  /**
   * Does the one thing that `peek` wished for: at most one request and the write of its answer. Resolves with whether
   * the exchange was asked, rather than the database alone.
   *
   * @throws the exchange's errors, RowsRefusedError, the signal's reason; the state is then as if it had not been tried.
   */
  async step(signal: AbortSignal): Promise<boolean> {
    const now = this.#deps.now();
    if (this.#phase === 'opening') return this.#exclusively(() => this.#open(signal));
    const { count } = this.#setbacks;
    const availableEnd = this.#missing.findAvailableEnd(now);
    const isTail = availableEnd !== null && availableEnd === this.#knownUntil;
    if (!isTail && this.#phase === 'surveying') return this.#exclusively(() => this.#survey(signal));
    const wasAsked = await (!isTail && this.#phase === 'probing'
      ? this.#exclusively(() => this.#probe(signal))
      : this.#request(isTail, now, signal));
    if (wasAsked) {
      this.#isServed = true;
      this.#setbacks.noteSuccess(count, isTail);
    }
    return wasAsked;
  }

  /** Notes that a step failed; nothing is wished for during the next `waitMs`. */
  hold(waitMs: number, message: string): void {
    this.#setbacks.hold(this.#deps.now() + waitMs, message);
  }

  /** Notes that a step of history failed; only the live tail is wished for during the next `waitMs`. */
  holdHistory(waitMs: number, message: string): void {
    this.#rejection = message;
    this.#setbacks.holdHistory(this.#deps.now() + waitMs, message);
  }

  /** Notes that the exchange will not serve this source; it is looked at again after `waitMs`. */
  refuse(waitMs: number, reason: string): void {
    this.#setbacks.refuse(this.#deps.now() + waitMs, reason);
  }

  /** One request for what is missing, or for a second answer about a long stretch without anything. */
  async #request(isTail: boolean, now: number, signal: AbortSignal): Promise<boolean> {
    const { isProbed, pageSlots } = this.source;
    const maySkim = !isTail && isProbed && now >= this.#nextSilenceAt;
    const stretch = maySkim ? this.#missing.findDueSuspects(now, pageSlots) : null;
    if (stretch) {
      this.#missing.take(stretch);
      this.#nextSilenceAt = now + SILENCE_EVERY_MS;
    }
    const range = stretch ?? this.#missing.takeNewest(now, pageSlots);
    if (!range) return false;
    this.#inFlight++;
    try {
      if (stretch) {
        const { ranges } = await this.source.fetchSilence(stretch, signal);
        for (const silent of ranges) this.#believed.note(this.#missing.record(silent, [], now));
      } else {
        await this.#collect(range, isTail, signal);
      }
      return true;
    } catch (error) {
      if (error instanceof ExchangeRejectedError && !stretch && !isTail) this.#missing.reject(range, now);
      throw error;
    } finally {
      this.#inFlight--;
      this.#missing.release(range);
    }
  }

  async #exclusively(work: () => Promise<boolean>): Promise<boolean> {
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }

  async #open(signal: AbortSignal): Promise<boolean> {
    const { source, database, now, windowSince } = this.#deps;
    const latest = await database.run(() => source.findLatest(), signal);
    const until = source.untilAt(now() - source.delayMs);
    this.#since = Math.min(source.sinceAt(Math.max(windowSince, EARLIEST_MS), now()), until);
    const pageSince = until - source.pageSlots * source.stepMs;
    this.#tailSince = Math.min(until, Math.max(this.#since, pageSince, latest === null ? 0 : latest + source.stepMs));
    this.#latestSlot = latest;
    this.#oldestSlot = latest ?? Infinity;
    this.#knownUntil = until;
    this.#missing.add(listRange(this.#tailSince, until));
    this.#phase = 'surveying';
    return false;
  }

  async #survey(signal: AbortSignal): Promise<boolean> {
    const { source, database } = this.#deps;
    const range = createRange(this.#since, this.#tailSince);
    const gaps = range ? await database.run(() => source.listGaps(range), signal) : [];
    this.#missing.add(gaps);
    const oldest = gaps[0];
    const firstStored = oldest && oldest.since === this.#since ? oldest.until : this.#since;
    if (firstStored < this.#tailSince) this.#oldestSlot = Math.min(this.#oldestSlot, firstStored);
    const isWorthProbing =
      oldest?.since === this.#since && oldest.until - oldest.since > source.pageSlots * source.stepMs;
    this.#phase = source.isProbed && isWorthProbing ? 'probing' : 'collecting';
    if (!source.isProbed) this.#firstKnown = Infinity;
    return false;
  }

  /** Asks where there is nothing, so that the years before a listing need no requests of their own. */
  async #probe(signal: AbortSignal): Promise<boolean> {
    const oldest = this.#missing.findOldest();
    if (oldest) {
      const { ranges, firstTradedAt } = await this.source.fetchSilence(oldest, signal);
      for (const range of ranges) this.#believed.note(this.#missing.record(range, [], this.#deps.now()));
      this.#firstKnown = firstTradedAt ?? -Infinity;
      this.#missing.believeBefore(Math.min(this.#firstKnown, this.#oldestSlot), this.#deps.now());
    }
    this.#phase = 'collecting';
    return oldest !== null;
  }

  async #collect(range: TimeRange, isTail: boolean, signal: AbortSignal): Promise<void> {
    const { stepMs, rereadSlots, aheadSlots } = this.source;
    const rereadSince = Math.max(this.#since, range.until - rereadSlots * stepMs);
    const asked = isTail
      ? { since: Math.min(range.since, rereadSince), until: range.until + aheadSlots * stepMs }
      : range;
    await this.#accept(await this.source.fetch(asked, signal), asked, signal);
  }

  async #accept(page: SourcePage, asked: TimeRange, signal: AbortSignal): Promise<void> {
    const { source, database, now, onAnswer } = this.#deps;
    this.#rejects.note(page.rejected);
    const nowMs = now();
    // A later slot in the answer proves those before it closed, whatever the clock says.
    const closedUntil = Math.max(source.untilAt(nowMs - CLOCK_MARGIN_MS), page.slots.at(-1) ?? 0);
    const bounds = createRange(asked.since, Math.min(asked.until, closedUntil));
    const answered = bounds && intersectRanges(page.answered, bounds);
    if (!answered)
      throw new ExchangeDataError(source.fields['exchange'] ?? '', 'the answer says nothing of the range asked for');
    const written = await database.run(() => page.store(answered.until), signal);
    const stored = page.slots.filter((slot) => slot >= answered.since && slot < answered.until);
    const newest = stored.at(-1);
    if (newest !== undefined) this.#latestSlot = Math.max(newest, this.#latestSlot ?? 0);
    const { stepMs, patienceMs } = source;
    const holes = this.#missing.findHoles(findUncovered(answered, stored, stepMs), nowMs);
    const silent = this.#missing.findHoles(listRange(Math.max(asked.since, answered.until), asked.until), nowMs);
    const lateSince = source.untilAt(nowMs - patienceMs);
    this.#oldestSlot = Math.min(this.#oldestSlot, stored[0] ?? Infinity);
    const firstKnown = Math.min(this.#firstKnown, this.#oldestSlot);
    const judged = judgeHoles({ page, holes, silent, stepMs, lateSince, firstKnown });
    this.#believed.note(this.#missing.record(answered, judged, nowMs));
    onAnswer({ rows: stored.length, written });
  }

  #advance(nowMs: number): void {
    const until = this.source.untilAt(nowMs - this.source.delayMs);
    if (this.#knownUntil === null || until <= this.#knownUntil) return;
    this.#missing.add([{ since: this.#knownUntil, until }]);
    this.#knownUntil = until;
  }
}
