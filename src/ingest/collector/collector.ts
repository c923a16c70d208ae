import type { SeriesState } from '../../market/service-state.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { Backoff } from './backoff.ts';
import type { SourceLedgerDeps } from './source-ledger-deps.ts';
import { SourceLedger } from './source-ledger.ts';
import { SourceSteps } from './source-steps.ts';
import type { Source } from './source.ts';
import { URGENCY, type Urgency, type NextStep } from './urgency.ts';

/**
 * Where a collector stands: it looks at the newest page in the ledger first (`opening`), then at the rest of it
 * (`surveying`), then asks the exchange for its first candle (`probing`), then works off what is missing
 * (`collecting`). The live tail is served in every phase but the first.
 */
type CollectorPhase = 'opening' | 'surveying' | 'probing' | 'collecting';

/** What a step does; `idle`: nothing yet. */
type StepKind = 'idle' | 'open' | 'survey' | 'review' | 'probe' | 'expire' | 'tail' | 'backlog' | 'reread';

interface Choice {
  readonly task: StepKind;
  readonly next: NextStep;
  /** From this moment on something more urgent may be due. */
  readonly validUntil: number;
}

/** A slot that ended just now is neither missing nor a lag: it is being fetched. */
const GRACE_MS = 15_000;

/**
 * Brings one source to completeness and keeps it there, one small step at a time; a scheduler decides when. Only what
 * was committed counts as done, so that it may be stopped anywhere.
 */
export class Collector {
  readonly source: Source;
  readonly ledger: SourceLedger;
  readonly #deps: SourceLedgerDeps;
  readonly #backoff = new Backoff();
  readonly #steps: SourceSteps;
  #phase: CollectorPhase = 'opening';
  #isBusy = false;
  #rejection: string | null = null;
  #choice: Choice | null = null;

  constructor(deps: SourceLedgerDeps) {
    const { source } = deps;
    this.source = source;
    this.ledger = new SourceLedger(deps);
    this.#deps = deps;
    this.#steps = new SourceSteps({ ...deps, ledger: this.ledger, onTaken: () => this.reconsider() });
  }

  /** Rows that the exchange sent and that cannot be stored, since the start. */
  get rejected(): number {
    return this.#steps.rejects.count;
  }

  /** Why it is held, or something is missing that was refused; null where nothing is wrong. */
  get lastError(): string | null {
    if (this.#backoff.error !== null) return this.#backoff.error;
    if (this.ledger.missing.hasRefused) return this.#rejection ?? 'the exchange refused a part of the history';
    return this.ledger.missing.countDoubtful() > 0 ? this.#steps.rejects.describe() : null;
  }

  /** Whether the exchange has answered a request of it in this run. */
  get isServed(): boolean {
    return this.#steps.isServed;
  }

  /** Consecutive steps that failed. */
  get failures(): number {
    return this.#backoff.failures;
  }

  /**
   * How many slots are missing, or null where the database was not asked yet. The newest ones, which the exchange may
   * still be late with, do not count, unless nobody answered and the ledger calls them missing: `lagMs` tells about them.
   */
  countMissing(): number | null {
    if (this.#phase === 'opening' || this.#phase === 'surveying') return null;
    const expectedUntil = this.source.untilAt(this.#deps.now() - this.source.patienceMs - GRACE_MS);
    return this.ledger.missing.count(Math.max(expectedUntil, this.ledger.unansweredUntil));
  }

  /** How far the newest slots are behind the exchange's clock: 0 when current, null before the first look. */
  lagMs(): number | null {
    const { knownUntil, missing } = this.ledger;
    if (knownUntil === null) return null;
    const now = this.#deps.now();
    const until = this.source.untilAt(now - GRACE_MS);
    const newest = missing.findNewest(until);
    if (newest && newest.until >= Math.min(until, knownUntil)) return Math.max(0, now - newest.since);
    return knownUntil < until ? now - knownUntil : 0;
  }

  state(): SeriesState['state'] {
    if (this.#backoff.isRefused) return 'refused';
    const missing = this.countMissing();
    if (missing === null || this.#phase === 'probing') return 'backfilling';
    if ((this.lagMs() ?? 0) > 2 * this.source.stepMs + this.source.patienceMs) return 'behind';
    if (missing === 0) return 'complete';
    const { unansweredUntil } = this.ledger;
    if (unansweredUntil > 0 && (this.ledger.missing.findNewest(unansweredUntil)?.until ?? 0) >= unansweredUntil)
      return 'behind';
    return missing <= this.ledger.missing.countDoubtful() ? 'behind' : 'backfilling';
  }

  /** What it wants next. Cheap: thought over again only when something happened or a moment came. */
  nextStep(): NextStep {
    return this.#choose(this.#deps.now()).next;
  }

  /** Something outside changed what it may want: a candle came by the live stream, or that stream ended. */
  reconsider(): void {
    this.#choice = null;
  }

  /** Tells the ledger what ended a while ago without a word of it. To be called while the exchange is away. */
  async recordUnanswered(signal: AbortSignal): Promise<void> {
    if (this.#phase === 'opening') return;
    await this.ledger.recordUnanswered(signal);
    this.reconsider();
  }

  /** Takes over that the ledger calls these ranges missing now. */
  async noteMissing(ranges: readonly TimeRange[]): Promise<void> {
    await this.ledger.noteMissing(ranges);
    this.reconsider();
  }

  /**
   * Does what `nextStep` told: at most one request and the write of its answer. Resolves with whether
   * the exchange was asked, rather than the database alone.
   *
   * @throws the exchange's errors, RowsRefusedError, the signal's reason; the state is then as if it had not been tried.
   */
  async step(signal: AbortSignal): Promise<boolean> {
    const { task } = this.#choose(this.#deps.now());
    const { count } = this.#backoff;
    try {
      const wasAsked = await this.#run(task, signal);
      if (wasAsked) this.#backoff.noteSuccess(count, task === 'tail');
      return wasAsked;
    } finally {
      this.reconsider();
    }
  }

  /** Notes that a step failed; nothing is asked during the next `waitMs`. */
  hold(waitMs: number, message: string): void {
    this.#backoff.hold(this.#deps.now() + waitMs, message);
    this.reconsider();
  }

  /** There is a sign that what held it is over: it is tried again now. */
  retryNow(): void {
    this.#backoff.retryNow();
    this.reconsider();
  }

  /** Notes that a step of history failed; only the live tail is asked for during the next `waitMs`. */
  holdHistory(waitMs: number, message: string): void {
    this.#rejection = message;
    this.#backoff.holdHistory(this.#deps.now() + waitMs, message);
    this.reconsider();
  }

  /** Notes that the exchange will not serve this source; it is looked at again after `waitMs`. */
  refuse(waitMs: number, reason: string): void {
    this.#backoff.refuse(this.#deps.now() + waitMs, reason);
    this.reconsider();
  }

  #choose(now: number): Choice {
    if (!this.#choice || now >= this.#choice.validUntil) this.#choice = this.#think(now);
    return this.#choice;
  }

  #think(now: number): Choice {
    const { ledger, source } = this;
    const { heldUntil, historyHeldUntil, allFailures } = this.#backoff;
    if (heldUntil > now) return this.#wait(heldUntil);
    // After a failure one step goes ahead and tells whether it is over.
    if (allFailures > 0 && this.#steps.inFlight > 0) return this.#wait(Infinity);
    if (this.#phase === 'opening') return this.#isBusy ? this.#wait(Infinity) : this.#want('open', now, Infinity);
    ledger.advance(now);
    const { missing, knownUntil } = ledger;
    const tailAt = (knownUntil ?? 0) + source.stepMs - source.leadMs + source.delayMs();
    const end = missing.findAvailableEnd(now);
    if (end !== null && end === knownUntil) return this.#want('tail', now, Infinity);
    const mayAsk = historyHeldUntil <= now && (historyHeldUntil === 0 || this.#steps.inFlight === 0);
    const nextAt = Math.min(
      tailAt,
      missing.nextAt(now),
      ledger.reviewAt,
      this.#steps.isRereading ? Infinity : ledger.provisional.dueAt(),
    );
    if (!this.#isBusy && this.#phase === 'surveying') return this.#want('survey', now, tailAt);
    if (!this.#isBusy && this.#phase === 'collecting' && ledger.reviewAt <= now)
      return this.#want('review', now, tailAt);
    if (!mayAsk) return this.#wait(historyHeldUntil > now ? Math.min(tailAt, historyHeldUntil) : tailAt);
    if (!this.#isBusy && this.#phase === 'probing') return this.#want('probe', now, tailAt);
    if (this.#phase !== 'collecting') return this.#wait(tailAt);
    if (!this.#isBusy && ledger.hasExpired(now)) return this.#want('expire', now, tailAt);
    const isRereadDue = !this.#steps.isRereading && ledger.provisional.findDue(now, source.pageSlots) !== null;
    const urgency = end === null ? null : this.#rateBacklog(end);
    if (urgency !== null && (!isRereadDue || urgency < URGENCY.reread))
      return this.#want('backlog', now, Math.max(now + 1, nextAt), urgency);
    if (isRereadDue) return this.#want('reread', now, Math.max(now + 1, Math.min(tailAt, missing.nextAt(now))));
    return this.#wait(Math.max(now + 1, nextAt));
  }

  #wait(at: number): Choice {
    return this.#want('idle', at, at);
  }

  #want(task: StepKind, at: number, validUntil: number, rated?: Urgency): Choice {
    const { kind, depthMs } = this.source;
    const tail = kind === 'candles' ? URGENCY.tail : URGENCY.feedTail;
    const isTail = task === 'tail' || task === 'open' || task === 'idle';
    const urgency = isTail ? tail : task === 'reread' ? URGENCY.reread : (rated ?? URGENCY.gap);
    const isLocal = task === 'open' || task === 'survey' || task === 'review' || task === 'expire';
    const oldest = urgency === URGENCY.expiring ? this.ledger.missing.findOldest() : null;
    const deletedAt = oldest && depthMs !== null ? oldest.since + depthMs : Infinity;
    return { task, next: { urgency, at, kind: isLocal ? null : kind, isTail, deletedAt }, validUntil };
  }

  /** What the exchange deletes soon, holes in what is stored, or the years before it. */
  #rateBacklog(availableEnd: number): Urgency {
    if (this.source.depthMs !== null) return URGENCY.expiring;
    return availableEnd > this.ledger.firstHave ? URGENCY.gap : URGENCY.history;
  }

  async #run(task: StepKind, signal: AbortSignal): Promise<boolean> {
    switch (task) {
      case 'idle':
        return false;
      case 'open':
        return this.#exclusively(async () => {
          await this.ledger.open(signal);
          this.#phase = 'surveying';
          return false;
        });
      case 'survey':
        return this.#exclusively(async () => {
          await this.ledger.survey(signal);
          this.#phase = this.#steps.isWorthProbing() ? 'probing' : 'collecting';
          return false;
        });
      case 'review':
        return this.#exclusively(async () => {
          await this.ledger.review(signal);
          return false;
        });
      case 'probe':
        return this.#exclusively(async () => {
          const wasAsked = await this.#steps.probe(signal);
          this.#phase = 'collecting';
          return wasAsked;
        });
      case 'expire':
        return this.#exclusively(async () => {
          await this.ledger.expire(signal);
          return false;
        });
      case 'reread':
        return this.#steps.reread(signal);
      default:
        return this.#steps.collect(task === 'tail', signal);
    }
  }

  async #exclusively(work: () => Promise<boolean>): Promise<boolean> {
    this.#isBusy = true;
    this.reconsider();
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }
}
