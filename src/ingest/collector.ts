import { ExchangeDataError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { createRange, intersectRanges, type TimeRange } from '../market/time-range.ts';
import type { DatabaseGate } from './database-gate.ts';
import { judgeHoles } from './judge-holes.ts';
import { MissingRanges } from './missing-ranges.ts';
import { findUncovered } from './slot-ranges.ts';
import type { Source, SourcePage } from './source.ts';

/** What a collector wants: how urgent it is, and not before which moment of the exchange's clock. */
export interface Wish {
  readonly urgency: number;
  readonly at: number;
}

export type CollectorState = 'complete' | 'backfilling' | 'behind' | 'refused';

export interface CollectorDeps {
  readonly source: Source;
  readonly database: DatabaseGate;
  readonly logger: Logger;
  /** The exchange's clock. */
  readonly now: () => number;
  /** The oldest moment to keep. */
  readonly windowSince: number;
  /** Called after each answer, with how many rows were new or changed. */
  readonly onAnswer: (answer: { readonly rows: number; readonly written: number }) => void;
}

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
const LOGGED_REJECTS = 5;
const LOGGED_RAW_LENGTH = 300;

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
  #heldUntil = 0;
  #failures = 0;
  #rejected = 0;
  #refusal: string | null = null;
  #lastError: string | null = null;

  constructor(deps: CollectorDeps) {
    this.source = deps.source;
    this.#deps = deps;
    this.#missing = new MissingRanges({ stepMs: deps.source.stepMs });
  }

  /** Rows that the exchange sent and that cannot be stored, since the start. */
  get rejected(): number {
    return this.#rejected;
  }

  get lastError(): string | null {
    return this.#refusal ?? this.#lastError;
  }

  /** Consecutive steps that failed. */
  get failures(): number {
    return this.#failures;
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
    if (this.#refusal !== null) return 'refused';
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
    if (this.#heldUntil > now) return { urgency: tail, at: this.#heldUntil };
    // After a failure one step goes ahead and tells whether it is over.
    if (this.#failures > 0 && this.#inFlight > 0) return { urgency: tail, at: Infinity };
    if (this.#phase === 'opening') return { urgency: tail, at: this.#isBusy ? Infinity : now };
    this.#advance(now);
    const availableEnd = this.#missing.findAvailableEnd(now);
    if (availableEnd !== null && availableEnd === this.#knownUntil) return { urgency: tail, at: now };
    if (this.#phase !== 'collecting' && !this.#isBusy) return { urgency: history, at: now };
    if (this.#phase === 'collecting' && availableEnd !== null) return { urgency: history, at: now };
    const next = this.#phase === 'collecting' ? this.#missing.nextAt(now) : Infinity;
    const { stepMs, leadMs, delayMs } = this.source;
    return { urgency: tail, at: Math.min(next, (this.#knownUntil ?? 0) + stepMs - leadMs + delayMs) };
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
    const availableEnd = this.#missing.findAvailableEnd(now);
    const isTail = availableEnd !== null && availableEnd === this.#knownUntil;
    if (!isTail && this.#phase === 'surveying') return this.#exclusively(() => this.#survey(signal));
    if (!isTail && this.#phase === 'probing') return this.#exclusively(() => this.#probe(signal));
    const range = this.#missing.takeNewest(now, this.source.pageSlots);
    if (!range) return false;
    this.#inFlight++;
    try {
      await this.#collect(range, isTail, signal);
      return true;
    } finally {
      this.#inFlight--;
      this.#missing.release(range);
    }
  }

  /** Notes that a step succeeded: what held it back is over. */
  noteSuccess(): void {
    this.#failures = 0;
    this.#lastError = null;
    this.#refusal = null;
  }

  /** Notes that a step failed; nothing is wished for during the next `waitMs`. */
  hold(waitMs: number, message: string): void {
    this.#failures++;
    this.#heldUntil = this.#deps.now() + waitMs;
    this.#lastError = message;
  }

  /** Notes that the exchange will not serve this source; it is looked at again after `waitMs`. */
  refuse(waitMs: number, reason: string): void {
    this.hold(waitMs, reason);
    this.#refusal = reason;
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
    this.#since = Math.min(source.sinceAt(windowSince, now()), until);
    const pageSince = until - source.pageSlots * source.stepMs;
    this.#tailSince = Math.min(until, Math.max(this.#since, pageSince, latest === null ? 0 : latest + source.stepMs));
    this.#latestSlot = latest;
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
    const isWorthProbing =
      oldest?.since === this.#since && oldest.until - oldest.since > source.pageSlots * source.stepMs;
    this.#phase = source.isProbed && isWorthProbing ? 'probing' : 'collecting';
    return false;
  }

  /** Asks where there is nothing, so that the years before a listing need no requests of their own. */
  async #probe(signal: AbortSignal): Promise<boolean> {
    const oldest = this.#missing.findOldest();
    const empty = oldest ? await this.source.fetchEmptyRanges(oldest, signal) : [];
    for (const range of empty) this.#missing.record(range, [], this.#deps.now());
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
    this.#noteRejected(page);
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
    this.#missing.record(answered, judgeHoles({ page, holes, silent, stepMs, lateSince }), nowMs);
    onAnswer({ rows: stored.length, written });
  }

  #noteRejected({ rejected }: SourcePage): void {
    this.#rejected += rejected.length;
    for (const { raw, reason } of rejected.slice(0, LOGGED_REJECTS)) {
      const text = JSON.stringify([raw]).slice(0, LOGGED_RAW_LENGTH);
      this.#deps.logger.warn(
        { ...this.source.fields, reason, raw: text, rejected: rejected.length },
        'a row was refused',
      );
    }
  }

  #advance(nowMs: number): void {
    const until = this.source.untilAt(nowMs - this.source.delayMs);
    if (this.#knownUntil === null || until <= this.#knownUntil) return;
    this.#missing.add([{ since: this.#knownUntil, until }]);
    this.#knownUntil = until;
  }
}

function listRange(since: number, until: number): TimeRange[] {
  const range = createRange(since, until);
  return range ? [range] : [];
}
