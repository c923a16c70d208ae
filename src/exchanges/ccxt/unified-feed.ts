import type { FuturesFeed } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { CcxtInstance } from './ccxt-library.ts';
import type { FuturesRow } from '../kit/futures-page.ts';

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
