import type { CoverageState } from '../../../market/coverage.ts';

export type { ExchangeState } from '../../../market/service-state.ts';
export type { HealthDocument, SlotCounts } from '../../health/health-schema.ts';
export type { SeriesObject } from '../../routes/series.ts';
export type { CoverageObject } from '../../routes/coverage.ts';

/** What names a series in the requests for its candles. */
export interface SeriesName {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
}

/** A candle as /v1/ohlcv and the stream tell it: decimals with the digits that the exchange sent. */
export interface CandleAnswer {
  readonly timestamp: string;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  /** Built from a finer timeframe of which something is missing in it, or has not ended yet. */
  readonly partial?: true;
}

/** The metrics of an hour that have a pane. */
export interface FuturesAnswer {
  readonly timestamp: string;
  readonly open_interest: string | null;
  readonly funding_rate: string | null;
  readonly mark_price: string | null;
}

/** One entry of /v1/coverage/summary. */
export interface CoverageSummary extends SeriesName {
  readonly metric: string;
  readonly slots: Readonly<Record<CoverageState, number>>;
}

/** One entry of /v1/quarantine, as far as it is shown. */
export interface QuarantinedAnswer {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly metric: string;
  readonly claimed_at: string | null;
  readonly reason: string;
  readonly seen: number;
  readonly last_seen_at: string;
}

/** A text that no other series has. */
export function nameKey({ exchange, symbol, timeframe }: SeriesName): string {
  return `${exchange} ${symbol} ${timeframe}`;
}
