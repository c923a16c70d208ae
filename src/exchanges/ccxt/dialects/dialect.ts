import type { FuturesFeed } from '../../../market/futures-snapshot.ts';
import type { TimeRange } from '../../../market/time-range.ts';
import type { FuturesRow } from '../../kit/futures-page.ts';
import type { CcxtInstance } from '../ccxt-library.ts';

/** What is known of one exchange's manner beyond ccxt's unified calls: each fact with the page that says so. */
export interface Dialect {
  /** The most candles that are asked for at once. */
  readonly candleLimit: number;
  /**
   * The column of its own candle rows in which it says whether the candle is complete, `1` or `0`; null where it does not
   * say.
   */
  readonly confirmColumn: number | null;
  /**
   * Where its own candle rows tell when the candle closes: a column, or the field where they are objects; null where they
   * do not tell. A time in milliseconds.
   */
  readonly closingTime: number | string | null;
  /**
   * The futures feeds whose meaning was checked against its documents: ccxt's unified calls name alike what is not (OKX's
   * open interest history is one of the currency over all contracts, the long/short ratios are those of all accounts).
   * Empty for exchanges that were not looked into.
   */
  readonly futuresFeeds: UnifiedFeeds;
}

export interface UnifiedFeedQuery {
  /** The exchange's own id of the perpetual. */
  readonly id: string;
  /** Full hours. */
  readonly asked: TimeRange;
  readonly limit: number;
  /** The exchange's clock. */
  readonly nowMs: number;
}

/** How one exchange is asked for one feed. All of them answer with the newest rows first. */
export interface UnifiedFeed {
  /** The most rows of one answer. */
  readonly limit: number;
  readonly depthMs: number | null;
  /** The hours that one request asks for: fewer rows than `limit` where they are settlements of 8 hours. */
  readonly reachMs: number;
  /** How long the period lasts that a row sums up; 0: a moment. */
  readonly periodMs: number;
  /** The rows as they came; anything where the answer has another shape. */
  readonly ask: (instance: CcxtInstance, query: UnifiedFeedQuery) => Promise<unknown>;
  readonly readRow: (raw: unknown) => FuturesRow | undefined;
}

/** The feeds of one exchange. */
export type UnifiedFeeds = ReadonlyMap<FuturesFeed, UnifiedFeed>;
