import type { Exchange, FuturesPage } from '../../exchanges/exchange.ts';
import { type CoverageKey, feedKey } from '../../market/coverage.ts';
import { FUTURES_SLOT_MS, type FuturesFeed } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { findFundingHoles } from '../../market/funding-slots.ts';
import type { Silence, Source, SourceAnswer } from './source.ts';

export interface FuturesSourceDeps {
  readonly symbol: string;
  readonly feed: FuturesFeed;
  readonly exchange: Exchange;
  /** 0 to 1; spreads the hourly requests of many symbols over a minute. */
  readonly jitter: number;
}

interface FeedTraits {
  /** Hours between two values. */
  readonly everyHours: number;
  /** How long the period lasts that a value sums up, unless the exchange tells otherwise; 0: it is one of a moment. */
  readonly periodMs: number;
  /** Hours that are read again with each live request. */
  readonly rereadSlots: number;
}

/**
 * Funding is settled every 8 hours for most contracts, every 4 or 1 for some, so that most hours have none: the
 * settlements around a time tell whether there should be one, and a live request reads a day of them again.
 * https://www.binance.com/en/support/faq/introduction-to-binance-futures-funding-rates-360033525031
 */
const TRAITS: Readonly<Record<FuturesFeed, FeedTraits>> = {
  open_interest: { everyHours: 1, periodMs: 0, rereadSlots: 2 },
  top_trader_ratio: { everyHours: 1, periodMs: 0, rereadSlots: 2 },
  taker_buy_sell_ratio: { everyHours: 1, periodMs: FUTURES_SLOT_MS, rereadSlots: 2 },
  funding_rate: { everyHours: 8, periodMs: 0, rereadSlots: 24 },
  mark_price: { everyHours: 1, periodMs: 0, rereadSlots: 2 },
};

/** One futures feed of one symbol, in slots of an hour. */
export class FuturesSource implements Source {
  readonly key: CoverageKey;
  readonly fields: Readonly<Record<string, string>>;
  readonly kind: FuturesFeed;
  readonly stepMs = FUTURES_SLOT_MS;
  readonly pageSlots: number;
  readonly rereadSlots: number;
  readonly settleMs = null;
  readonly patienceMs = 30 * 60_000;
  // Binance publishes its statistics some minutes after the moment that they are of.
  readonly dueMs = 15 * 60_000;
  readonly leadMs: number;
  readonly aheadSlots = 0;
  readonly isFramed = false;
  readonly isProbed = false;
  readonly depthMs: number | null;
  readonly #deps: FuturesSourceDeps;
  readonly #delayMs: number;
  readonly #limit: number;

  /** @throws RangeError where the exchange does not have the feed. */
  constructor(deps: FuturesSourceDeps) {
    const { exchange, feed, symbol } = deps;
    const offer = exchange.futuresFeeds.get(feed);
    if (!offer) throw new RangeError(`${exchange.id} has no ${feed}`);
    const { everyHours, periodMs, rereadSlots } = TRAITS[feed];
    this.#deps = deps;
    this.key = feedKey(exchange.id, symbol, feed);
    this.kind = feed;
    this.depthMs = offer.depthMs;
    this.fields = { exchange: exchange.id, symbol, feed };
    this.#limit = offer.limit;
    this.pageSlots = offer.limit * everyHours;
    this.rereadSlots = rereadSlots;
    this.leadMs = Math.max(0, this.stepMs - (offer.periodMs ?? periodMs));
    // The exchange computes its statistics after the hour has begun.
    this.#delayMs = 20_000 + 40_000 * deps.jitter;
  }

  delayMs(): number {
    return this.#delayMs;
  }

  sinceAt(windowSince: number): number {
    return Math.ceil(windowSince / this.stepMs) * this.stepMs;
  }

  untilAt(nowMs: number): number {
    return Math.floor((nowMs + this.leadMs) / this.stepMs) * this.stepMs;
  }

  keptSince(nowMs: number): number {
    if (this.depthMs === null) return -Infinity;
    // One slot of margin: what lies on the edge is refused while the request travels.
    return Math.ceil((nowMs - this.depthMs) / this.stepMs + 1) * this.stepMs;
  }

  fetchSilence(): Promise<Silence[]> {
    return Promise.resolve([]);
  }

  async fetch(range: TimeRange, signal: AbortSignal): Promise<SourceAnswer> {
    const { exchange, feed, symbol } = this.#deps;
    const page = await exchange.fetchFutures({ feed, symbol, range }, signal);
    const { snapshots: rows, rejected, answered } = page;
    if (feed !== 'funding_rate') return { rows, rejected, answered, evidence: 'each_slot' };
    const slots = rows.map(({ timestamp }) => timestamp);
    return { rows, rejected, answered: this.#extendAnswered(page, slots, range), evidence: 'settlements' };
  }

  /**
   * What an answer about funding speaks of: also of the newest hours that it leaves open, up to the next settlement that
   * its interval lets expect. Should that come sooner, because the interval was changed, a live request finds it: each
   * reads a day again.
   */
  #extendAnswered({ answered, rejected }: FuturesPage, slots: readonly number[], range: TimeRange): TimeRange {
    const isCut = slots.length + rejected.length >= this.#limit;
    if (isCut || rejected.length > 0 || slots.length === 0 || answered.until >= range.until) return answered;
    const [due] = findFundingHoles(slots, { since: answered.until, until: range.until });
    return { since: answered.since, until: due?.since ?? range.until };
  }
}
