import { ExchangeRejectedError, messageOf } from '../../errors.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { APPROACHES, FRAME_SLOTS, frameRequest } from './frame-request.ts';
import { RejectedRows } from './rejected-rows.ts';
import type { SourceLedgerDeps } from './source-ledger-deps.ts';
import type { SourceLedger } from './source-ledger.ts';

export interface SourceStepsDeps extends Pick<SourceLedgerDeps, 'source' | 'stores' | 'database' | 'logger' | 'now'> {
  readonly ledger: SourceLedger;
  /** Called when a step has begun: what it asks for is nobody else's now. */
  readonly onTaken: () => void;
}

const SILENCE_EVERY_MS = 60_000;

/** The steps of one source that ask the exchange: one request (for silence two or three), and the write of its answer. */
export class SourceSteps {
  readonly rejects: RejectedRows;
  readonly #deps: SourceStepsDeps;
  #inFlight = 0;
  #isRereading = false;
  #isServed = false;
  #nextSilenceAt = 0;

  constructor(deps: SourceStepsDeps) {
    this.#deps = deps;
    this.rejects = new RejectedRows({ fields: deps.source.fields, logger: deps.logger });
  }

  /** Requests for what is missing that are under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get isRereading(): boolean {
    return this.#isRereading;
  }

  /** Whether the exchange has answered a request in this run. */
  get isServed(): boolean {
    return this.#isServed;
  }

  /** Whether the window begins with more than a page that may be asked for. */
  isWorthProbing(): boolean {
    const { source, ledger, now } = this.#deps;
    const oldest = ledger.missing.listAvailable(now())[0];
    return (
      source.isProbed &&
      oldest?.since === ledger.since &&
      oldest.until - oldest.since > source.pageSlots * source.stepMs
    );
  }

  /** Asks where there is nothing, so that the years before a listing need no requests of their own. */
  async probe(signal: AbortSignal): Promise<boolean> {
    const { ledger } = this.#deps;
    const oldest = ledger.missing.findOldest();
    if (!oldest) return false;
    await this.#askSilence(oldest, signal);
    this.#isServed = true;
    return true;
  }

  /** One request for what is missing, or for a second answer about long silence. */
  async collect(isTail: boolean, signal: AbortSignal): Promise<boolean> {
    const { source, ledger, now, onTaken } = this.#deps;
    const { missing } = ledger;
    const nowMs = now();
    const maySkim = !isTail && source.isProbed && nowMs >= this.#nextSilenceAt;
    const silence = maySkim ? missing.takeLongSilence(nowMs, source.pageSlots) : null;
    const from = !isTail && source.depthMs !== null ? 'oldest' : 'newest';
    const range = silence ?? missing.take(nowMs, source.pageSlots - (source.isFramed ? FRAME_SLOTS : 0), from);
    if (!range) return false;
    this.#inFlight++;
    onTaken();
    try {
      if (silence) await this.#askSilence(silence, signal);
      else await this.#fetch(await this.#widen(range, isTail, signal), signal);
      this.#isServed = true;
      return true;
    } catch (error) {
      await this.#noteRefusal(error, silence || isTail ? null : range, signal);
      throw error;
    } finally {
      this.#inFlight--;
      missing.release(range);
    }
  }

  /** Reads slots again that were read before they were final. */
  async reread(signal: AbortSignal): Promise<boolean> {
    const { source, ledger, now, onTaken } = this.#deps;
    const asked = ledger.provisional.findDue(now(), source.pageSlots);
    if (!asked) return false;
    this.#isRereading = true;
    onTaken();
    try {
      await this.#fetch(asked, signal);
      this.#noteReread(asked);
      return true;
    } finally {
      this.#isRereading = false;
    }
  }

  #noteReread(asked: TimeRange): void {
    const { source, ledger, logger, now } = this.#deps;
    for (const { since, until } of ledger.provisional.noteAnswered(asked, now())) {
      const fields = { ...source.fields, since: new Date(since).toISOString(), until: new Date(until).toISOString() };
      logger.warn(fields, 'the exchange no longer tells of rows that are stored; they are kept');
    }
  }

  /** What is asked for to learn of a range: where only rows speak, rows that are stored on either side besides. */
  async #widen(range: TimeRange, isTail: boolean, signal: AbortSignal): Promise<TimeRange> {
    const { source, ledger, stores, database } = this.#deps;
    const tail = isTail ? this.#widenTail(range) : range;
    if (!source.isFramed) return tail;
    const frame = await database.run(() => stores.coverage.findFrame(source.key, range), signal);
    const approach = APPROACHES[ledger.missing.countUnframed(range) % APPROACHES.length];
    const framed = frameRequest(range, frame, source, approach);
    return isTail ? { since: framed.since, until: tail.until } : framed;
  }

  /** What a live request asks for: some slots that are stored besides, and those that are yet to end. */
  #widenTail({ since, until }: TimeRange): TimeRange {
    const { stepMs, rereadSlots, aheadSlots } = this.#deps.source;
    const rereadSince = Math.max(this.#deps.ledger.since, until - rereadSlots * stepMs);
    return { since: Math.min(since, rereadSince), until: until + aheadSlots * stepMs };
  }

  async #fetch(asked: TimeRange, signal: AbortSignal): Promise<void> {
    const { source, ledger, now } = this.#deps;
    const askedAt = now();
    const page = await source.fetch(asked, signal);
    this.rejects.note(page.rejected);
    await ledger.accept(page, { asked, askedAt }, signal);
  }

  /** Where longer timeframes do not help, the range is asked for page by page before they are tried again. */
  async #askSilence(range: TimeRange, signal: AbortSignal): Promise<void> {
    const { source, ledger, now } = this.#deps;
    const askedAt = now();
    const isNews = await ledger.acceptSilence(await source.fetchSilence(range, signal), askedAt, signal);
    if (!isNews) this.#nextSilenceAt = now() + SILENCE_EVERY_MS;
  }

  /**
   * Commits what a refusal means: where the market was served before, that of this range (of the live tail nothing: it
   * tells itself when it is back); otherwise that of everything.
   */
  async #noteRefusal(error: unknown, range: TimeRange | null, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#deps;
    if (!(error instanceof ExchangeRejectedError) || error.reason === 'access') return;
    if (this.#isServed && error.reason !== 'timeframe') {
      if (range) await ledger.acceptRefusal(range, messageOf(error), signal);
      return;
    }
    const wanted = ledger.missing.listWanted();
    const [first, last] = [wanted[0], wanted.at(-1)];
    if (first && last) await ledger.acceptRefusal({ since: first.since, until: last.until }, messageOf(error), signal);
  }
}
