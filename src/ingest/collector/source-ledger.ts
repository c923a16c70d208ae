import { ExchangeDataError } from '../../errors.ts';
import { EARLIEST_MS } from '../../market/candle.ts';
import type { CommitEntry, CommitOutcome } from '../../market/commit-entry.ts';
import { alignRanges, missingRange, type CoverageRange } from '../../market/coverage.ts';
import { HOUR_MS } from '../../market/moments.ts';
import { intersectLists, listRange } from '../../market/range-lists.ts';
import { createRange, intersectRanges, mergeRanges, type TimeRange } from '../../market/time-range.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import { logChanges, tallyAnswer } from './answer-tally.ts';
import { ConfirmedEmptyLog } from './confirmed-empty-log.ts';
import {
  judgeAnswer,
  judgeExpired,
  judgeRefusal,
  judgeSilences,
  tellBefore,
  type Judgement,
  type JudgeRules,
} from './judge-answer.ts';
import { readAnswer, withoutHoles } from './read-answer.ts';
import { Lock } from './lock.ts';
import { MissingRanges } from './missing-ranges.ts';
import { toQuarantine } from './rejected-rows.ts';
import type { Silence, SourceAnswer } from './source.ts';
import type { SourceLedgerDeps } from './source-ledger-deps.ts';
import { ProvisionalSlots } from './provisional-slots.ts';
import { listRegained, settleWindowEdge } from './window-edge.ts';

/** What others note in the ledger is seen within this time. */
const REVIEW_EVERY_MS = HOUR_MS;

/**
 * What is known of one source, in memory and in the database: each answer's rows, what it says of the rest, and what it
 * held that cannot be stored are committed together, and memory follows what was committed. One write at a time, since
 * each is judged by what the one before it left.
 */
export class SourceLedger {
  /** Held during each write; whoever else writes rows of this source (the live stream) holds it too. */
  readonly lock = new Lock();
  readonly missing: MissingRanges;
  readonly provisional: ProvisionalSlots;
  readonly #deps: SourceLedgerDeps;
  readonly #confirmedEmpty: ConfirmedEmptyLog;
  readonly #rules: Omit<JudgeRules, 'firstHave' | 'latestHave'>;
  #since = 0;
  /** Where the newest page began when this run started: what lies before it is the survey's. */
  #pageSince = 0;
  #knownUntil: number | null = null;
  /** Where the ledger ends: of what lies behind it the database knows nothing. */
  #recordedUntil: number | null = null;
  #unansweredUntil = 0;
  #latestSlot: number | null = null;
  #firstHave = Infinity;
  #hasReread = false;
  #reviewAt = Infinity;
  #hasEnded = false;

  constructor(deps: SourceLedgerDeps) {
    const { source, confirmEmptyAfterMs, logger } = deps;
    const { stepMs, settleMs, fields } = source;
    this.#deps = deps;
    this.#rules = { stepMs, confirmAfterMs: confirmEmptyAfterMs, source };
    this.missing = new MissingRanges(this.#rules);
    this.provisional = new ProvisionalSlots({ stepMs, settleMs });
    this.#confirmedEmpty = new ConfirmedEmptyLog({ fields, stepMs, logger });
  }

  /** The oldest slot to keep. */
  get since(): number {
    return this.#since;
  }

  /** The end of the newest slot that was looked at or is wanted; null before the first look. */
  get knownUntil(): number | null {
    return this.#knownUntil;
  }

  /** When the ledger is to be looked at again. */
  get reviewAt(): number {
    return this.#reviewAt;
  }

  /** The newest slot that is known to be stored, or null. */
  get latestSlot(): number | null {
    return this.#latestSlot;
  }

  /** The oldest slot that is known to be stored; Infinity where none is. What is wanted before it is history. */
  get firstHave(): number {
    return this.#firstHave;
  }

  /**
   * Somebody else may collect it from now on: what is still under way commits the rows that it brings, and says no more
   * of what it does not bring.
   */
  end(): void {
    this.#hasEnded = true;
  }

  /** Reads what the database knows of the newest page: enough to begin with the live tail. */
  async open(signal: AbortSignal): Promise<void> {
    const { source, stores, database, now, windowSince } = this.#deps;
    await this.lock.run(async () => {
      const until = source.untilAt(now() - source.delayMs());
      const wanted = Math.min(source.sinceAt(Math.max(windowSince, EARLIEST_MS)), until);
      this.#since = await database.run(() => settleWindowEdge(stores, source.key, wanted), signal);
      this.#pageSince = Math.max(this.#since, until - source.pageSlots * source.stepMs);
      const dueUntil = Math.max(this.#pageSince, Math.min(until, source.untilAt(now() - source.dueMs)));
      if (dueUntil < until) this.missing.add({ since: dueUntil, until });
      const told = await this.#load(createRange(this.#pageSince, until), signal, dueUntil);
      this.#knownUntil = until;
      this.#reviewAt = now() + REVIEW_EVERY_MS;
      this.#recordedUntil = Math.max(dueUntil, told.at(-1)?.until ?? 0);
    });
  }

  /** Reads what the database knows of the rest of the window. */
  async survey(signal: AbortSignal): Promise<void> {
    await this.lock.run(() => this.#load(createRange(this.#since, this.#pageSince), signal));
  }

  /** Takes over what somebody else noted as missing in the ledger; asked for at once where it was not wanted before. */
  async noteMissing(ranges: readonly TimeRange[]): Promise<void> {
    // A look at the database that is under way may have come too early to see it.
    await this.lock.run(() => {
      if (this.#knownUntil !== null) {
        const known = { since: this.#since, until: this.#knownUntil };
        this.missing.addMissing(intersectLists(this.#align(mergeRanges(ranges)), [known]));
      }
      return Promise.resolve();
    });
  }

  /** Looks at the ledger again for what others (an audit in another process, hands) noted as missing meanwhile. */
  async review(signal: AbortSignal): Promise<void> {
    const { source, stores, database, now, logger } = this.#deps;
    await this.lock.run(async () => {
      const range = createRange(this.#since, this.#knownUntil ?? 0);
      const found = range ? await database.run(() => stores.coverage.listMissing(source.key, range), signal) : [];
      if (this.missing.addMissing(this.#align(found)))
        logger.info(source.fields, 'the ledger calls missing what this process took for settled; it is asked for');
      this.#reviewAt = now() + REVIEW_EVERY_MS;
    });
  }

  async #load(range: TimeRange | null, signal: AbortSignal, missingUntil = Infinity): Promise<CoverageRange[]> {
    const { source, stores, database, now } = this.#deps;
    if (!range) return [];
    const ranges = this.#align(
      await database.run(() => stores.coverage.survey(source.key, range, missingUntil), signal),
    );
    this.missing.load(ranges, now());
    this.missing.addMissing(listRegained(ranges));
    const have = ranges.filter(({ state }) => state === 'have');
    const [oldest, newest] = [have[0], have.at(-1)];
    if (!oldest || !newest) return ranges;
    this.#noteHave(oldest.since, newest.until - source.stepMs);
    if (this.#hasReread) return ranges;
    // What was read just before the last run ended was perhaps not final.
    this.#hasReread = true;
    const page = { since: newest.until - source.pageSlots * source.stepMs, until: newest.until };
    this.provisional.add(have.map((each) => intersectRanges(each, page)).filter((each) => each !== null));
    return ranges;
  }

  /** What others wrote into the ledger need not lie on the grid; what is judged by it must. */
  #align<T extends TimeRange>(ranges: readonly T[]): T[] {
    return alignRanges(ranges, parseTimeframe(this.#deps.source.key.timeframe));
  }

  /** Wants the slots that ended since the last look. */
  advance(nowMs: number): void {
    const { source } = this.#deps;
    const until = source.untilAt(nowMs - source.delayMs());
    if (this.#knownUntil === null || until <= this.#knownUntil) return;
    this.missing.add({ since: this.#knownUntil, until });
    this.#knownUntil = until;
  }

  /**
   * Commits an answer to a request for `asked` that left at `askedAt`. It may have been on its way for long, or have waited
   * here for the database: what closed or became final since then it need not know, and as evidence it is of then.
   *
   * @throws ExchangeDataError where it says nothing of it.
   */
  async accept(
    answer: SourceAnswer,
    { asked, askedAt }: { readonly asked: TimeRange; readonly askedAt: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { source, logger, onAnswer } = this.#deps;
    await this.lock.run(async () => {
      const read = readAnswer(source, answer, asked, askedAt);
      const { range, have } = read;
      if (!range && !source.isFramed)
        throw new ExchangeDataError(source.key.exchange, 'the answer says nothing of the range asked for');
      const { known } = this.missing;
      const judged = judgeAnswer(known, this.#hasEnded ? withoutHoles(read) : read, askedAt, this.#judgeRules());
      const spokenSince = range?.since ?? judged.changes[0]?.since;
      const judgement = spokenSince === undefined ? judged : tellBefore(this.listUnrecorded(spokenSince), judged);
      const rows = answer.rows.filter(
        ({ timestamp }) => range !== null && timestamp >= range.since && timestamp < range.until,
      );
      const entry = { key: source.key, rows, quarantine: toQuarantine(source.key, answer.rejected, 'rest') };
      const outcome = await this.#commit(entry, judgement, signal);
      const [first, last] = [rows[0], rows.at(-1)];
      if (first && last) this.#noteHave(first.timestamp, last.timestamp);
      this.provisional.note(have, askedAt);
      // Where only rows speak, an answer that shows none behind the last trade is an answer all the same.
      const heardUntil = source.isFramed ? asked.until : (range?.until ?? 0);
      if (heardUntil >= this.#unansweredUntil) this.#unansweredUntil = 0;
      logChanges(logger, outcome.changes);
      onAnswer(tallyAnswer(entry, outcome));
    });
  }

  /**
   * Commits that the exchange has nothing in some ranges, as far as one answer to a request that left at `askedAt` may
   * tell. Resolves with whether that was news.
   */
  async acceptSilence(silences: readonly Silence[], askedAt: number, signal: AbortSignal): Promise<boolean> {
    return await this.lock.run(async () => {
      const judgement = judgeSilences(this.missing.known, silences, askedAt, this.#rules);
      await this.#record(judgement, signal);
      return judgement.changes.length > 0;
    });
  }

  /** Commits that the exchange refused the request for a range. */
  async acceptRefusal(range: TimeRange, reason: string, signal: AbortSignal): Promise<void> {
    await this.lock.run(() => this.#record(judgeRefusal(this.missing.known, range, reason, this.#deps.now()), signal));
  }

  /** Whether something is wanted that the exchange no longer has. */
  hasExpired(nowMs: number): boolean {
    const { source } = this.#deps;
    if (source.depthMs === null) return false;
    return (this.missing.findOldest()?.since ?? Infinity) < source.keptSince(nowMs);
  }

  /** Commits what the exchange deleted before we had it. */
  async expire(signal: AbortSignal): Promise<void> {
    const { source, now } = this.#deps;
    await this.lock.run(async () => {
      const expired = this.missing.listWanted(source.keptSince(now()));
      await this.#record(judgeExpired(expired, source.depthMs ?? 0), signal);
    });
  }

  /** What the ledger is to be told before it hears of a slot: nobody has asked for what lies between. */
  listUnrecorded(slot: number): CoverageRange[] {
    return this.#recordedUntil === null || this.#hasEnded ? [] : listRange(this.#recordedUntil, slot).map(missingRange);
  }

  /** The end of the slots that were noted as missing because nobody answered, until an answer came; or 0. */
  get unansweredUntil(): number {
    return this.#unansweredUntil;
  }

  /** Commits that slots ended a while ago of which nobody said anything: the exchange is away. */
  async recordUnanswered(signal: AbortSignal): Promise<void> {
    const { source, now } = this.#deps;
    await this.lock.run(async () => {
      this.advance(now());
      const until = Math.min(this.#knownUntil ?? 0, source.untilAt(now() - source.dueMs));
      const changes = this.listUnrecorded(until);
      await this.#record({ changes, replaced: [], next: [], confirmed: [] }, signal);
      if (changes.length > 0) this.#unansweredUntil = until;
    });
  }

  /** Takes over a slot that the live stream brought, once it is committed. To be called with the lock held. */
  noteStreamed(slot: number): void {
    // Before the first look at the database that look finds it.
    if (this.#knownUntil === null) return;
    const range = { since: slot, until: slot + this.#deps.source.stepMs };
    if (slot > this.#knownUntil) this.missing.add({ since: this.#knownUntil, until: slot });
    this.#knownUntil = Math.max(this.#knownUntil, range.until);
    this.#recordedUntil = Math.max(this.#recordedUntil ?? 0, range.until);
    this.missing.settle(range);
    // It is told when it closes, and may have waited for the database since.
    this.provisional.note([range], range.until);
    this.#noteHave(slot, slot);
  }

  #judgeRules(): JudgeRules {
    return { ...this.#rules, firstHave: this.#firstHave, latestHave: this.#latestSlot ?? -Infinity };
  }

  #noteHave(first: number, last: number): void {
    this.#firstHave = Math.min(this.#firstHave, first);
    this.#latestSlot = Math.max(this.#latestSlot ?? last, last);
  }

  /** Judgements of nothing but the ledger; once its collection has ended they are another's to make. */
  async #record(judgement: Judgement, signal: AbortSignal): Promise<void> {
    if (judgement.changes.length > 0 && !this.#hasEnded)
      await this.#commit({ key: this.#deps.source.key, rows: [], quarantine: [] }, judgement, signal);
    else this.#apply(judgement);
  }

  async #commit(
    entry: Omit<CommitEntry, 'changes'>,
    judgement: Judgement,
    signal: AbortSignal,
  ): Promise<CommitOutcome> {
    const { stores, database } = this.#deps;
    const { changes } = judgement;
    const outcome = await database.run(() => stores.commit([{ ...entry, changes }]), signal);
    this.#apply(judgement);
    return outcome;
  }

  #apply(judgement: Judgement): void {
    this.missing.apply(judgement);
    if (this.#recordedUntil !== null)
      this.#recordedUntil = Math.max(this.#recordedUntil, judgement.changes.at(-1)?.until ?? 0);
    this.#confirmedEmpty.note(judgement.confirmed);
  }
}
