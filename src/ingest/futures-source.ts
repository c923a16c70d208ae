import type { Exchange } from '../exchanges/exchange.ts';
import { FUTURES_SLOT_MS, type FuturesFeed, type FuturesMetric } from '../market/futures-snapshot.ts';
import type { TimeRange } from '../market/time-range.ts';
import type { IngestStores } from './ports.ts';
import type { Silence, Source, SourcePage } from './source.ts';

export interface FuturesSourceDeps {
  readonly symbol: string;
  readonly feed: FuturesFeed;
  readonly exchange: Exchange;
  readonly store: IngestStores['futures'];
  /** 0 to 1; spreads the hourly requests of many symbols over a minute. */
  readonly jitter: number;
}

interface FeedTraits {
  /** The metric by which the database tells what is missing. */
  readonly metric: FuturesMetric;
  readonly stepHours: number;
  /** Whether the value is one of the moment at which its slot opens, rather than of the hour that follows. */
  readonly isMoment: boolean;
}

/**
 * Funding is settled every 8 hours for most contracts, every 4 or 1 for some: the 8-hour grid finds what is missing for
 * all, and the answers hold the settlements in between.
 * https://www.binance.com/en/support/faq/introduction-to-binance-futures-funding-rates-360033525031
 */
const TRAITS: Readonly<Record<FuturesFeed, FeedTraits>> = {
  open_interest: { metric: 'open_interest', stepHours: 1, isMoment: true },
  top_trader_ratio: { metric: 'top_trader_ratio', stepHours: 1, isMoment: true },
  taker_buy_sell_ratio: { metric: 'taker_buy_sell_ratio', stepHours: 1, isMoment: false },
  funding_rate: { metric: 'funding_rate', stepHours: 8, isMoment: true },
  mark_price: { metric: 'mark_price', stepHours: 1, isMoment: true },
};

/** One futures feed of one symbol, in slots of an hour (funding: eight). */
export class FuturesSource implements Source {
  readonly fields: Readonly<Record<string, string>>;
  readonly stepMs: number;
  readonly pageSlots: number;
  readonly rereadSlots = 2;
  readonly patienceMs = 30 * 60_000;
  readonly delayMs: number;
  readonly leadMs: number;
  readonly urgency: { readonly tail: number; readonly history: number };
  readonly aheadSlots = 0;
  readonly isProbed = false;
  readonly #deps: FuturesSourceDeps;
  readonly #metric: FuturesMetric;
  readonly #depthMs: number | null;

  /** @throws RangeError where the exchange does not have the feed. */
  constructor(deps: FuturesSourceDeps) {
    const { exchange, feed, symbol } = deps;
    const offer = exchange.futuresFeeds.get(feed);
    if (!offer) throw new RangeError(`${exchange.id} has no ${feed}`);
    const { metric, stepHours, isMoment } = TRAITS[feed];
    this.#deps = deps;
    this.#metric = metric;
    this.#depthMs = offer.depthMs;
    this.fields = { exchange: exchange.id, symbol, feed };
    this.stepMs = stepHours * FUTURES_SLOT_MS;
    this.pageSlots = offer.limit;
    this.leadMs = isMoment ? this.stepMs : 0;
    // The exchange computes its statistics after the hour has begun.
    this.delayMs = 20_000 + 40_000 * deps.jitter;
    // What the exchange deletes after 30 days goes before history that stays.
    const isExpiring = offer.depthMs !== null;
    this.urgency = { tail: 1, history: isExpiring ? 1 : 2 };
  }

  sinceAt(windowSince: number, nowMs: number): number {
    // One slot of margin: what lies on the edge is refused while the request travels.
    const reach = this.#depthMs === null ? windowSince : nowMs - this.#depthMs + FUTURES_SLOT_MS;
    return Math.ceil(Math.max(windowSince, reach) / this.stepMs) * this.stepMs;
  }

  untilAt(nowMs: number): number {
    return Math.floor((nowMs + this.leadMs) / this.stepMs) * this.stepMs;
  }

  /** Unknown: the newest page is always read at a start, because each feed fills its own columns of the newest row. */
  findLatest(): Promise<null> {
    return Promise.resolve(null);
  }

  listGaps(range: TimeRange): Promise<TimeRange[]> {
    const { exchange, symbol, store } = this.#deps;
    return store.listGaps(exchange.id, symbol, this.#metric, range, this.stepMs);
  }

  fetchSilence(): Promise<Silence> {
    return Promise.resolve({ ranges: [], firstTradedAt: null });
  }

  async fetch(range: TimeRange, signal: AbortSignal): Promise<SourcePage> {
    const { exchange, feed, symbol, store } = this.#deps;
    const page = await exchange.fetchFutures({ feed, symbol, range }, signal);
    return {
      slots: page.snapshots.map(({ timestamp }) => timestamp),
      rejected: page.rejected,
      answered: this.#toSlots(page.answered),
      store: async (until) => {
        const known = page.snapshots.filter(({ timestamp }) => timestamp < until);
        if (known.length === 0) return 0;
        const { inserted, updated } = await store.upsert(exchange.id, symbol, known);
        return inserted + updated;
      },
    };
  }

  /**
   * The range with the same slots in it, from slot to slot: an answer that speaks for 16:00 to 17:00 says all there is
   * to say of the eight hours from 16:00 on.
   */
  #toSlots({ since, until }: TimeRange): TimeRange {
    const ceil = (timeMs: number) => Math.ceil(timeMs / this.stepMs) * this.stepMs;
    // Without any slot in it nothing would be left of it.
    return ceil(since) < ceil(until) ? { since: ceil(since), until: ceil(until) } : { since, until };
  }
}
