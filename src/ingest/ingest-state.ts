import type { RequestBlock, StreamState } from '../exchanges/exchange.ts';

/** See `SeriesState.state`. */
export type CollectorState = 'complete' | 'backfilling' | 'behind' | 'refused';

/** What the ingest says of one series; ready for JSON. */
export interface SeriesState {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
  /**
   * `complete`: the window is stored, as far as the exchange has it. `backfilling`: on the way there. `behind`: the
   * newest candles are late, or what is still missing was sent in a form that cannot be stored. `refused`: the
   * exchange does not serve it.
   */
  readonly state: CollectorState;
  /** Candles still missing, unconfirmed ones included; null before the database was asked. */
  readonly missing: number | null;
  /** Rows that could not be candles, since the start. */
  readonly rejected: number;
  readonly last_error: string | null;
  /** Opening time of the newest stored candle, ISO 8601. */
  readonly last_candle_at: string | null;
}

/** One exchange as the ingest sees it; ready for JSON. */
export interface ExchangeState {
  readonly exchange: string;
  /** `down`: it does not answer, or asked us to wait; `refused`: it refuses us as a whole. */
  readonly state: 'up' | 'down' | 'refused';
  /** Why nothing may be sent to it, and until when (ISO 8601; null: until somebody acts); null where all may. */
  readonly block: {
    readonly reason: RequestBlock['reason'];
    readonly until: string | null;
    readonly message: string;
  } | null;
  /** Its allowances for our address, as they stand now. */
  readonly budgets: readonly {
    readonly name: string;
    readonly limit: number;
    readonly window_seconds: number;
    readonly used: number;
  }[];
  /** Its live stream of candles; null where there is none. */
  readonly stream: StreamState | null;
  /** How many candles one request to it answers. */
  readonly candle_limit: number;
  /** Series that are collected from it here. */
  readonly series: number;
  readonly last_error: string | null;
}

/** The ingest as a whole; ready for JSON. `complete` and `behind` exclude each other; the rest is on its way, or refused. */
export interface IngestHealth {
  readonly state: 'running' | 'degraded' | 'stopped';
  readonly series: number;
  readonly complete: number;
  readonly behind: number;
  readonly refused: number;
  /** How far the most delayed series is behind the exchange's clock; 0 when all are current, null before any is known. */
  readonly max_lag_seconds: number | null;
  /** Futures feeds (one for each symbol and kind of data), and how many of them are complete. */
  readonly futures: { readonly feeds: number; readonly complete: number };
  readonly last_error: string | null;
}

/** All series of one exchange and timeframe, or all feeds of one futures metric, for metrics. */
export interface IngestLag {
  readonly exchange: string;
  readonly timeframe: string;
  /** `ohlcv`, or the futures feed. */
  readonly metric: string;
  /** How far the most delayed of them is behind the exchange's clock; 0 when all are current. */
  readonly lag_seconds: number;
}

/** What the ingest did since the start, for metrics. */
export interface IngestCounters {
  /** Requests that were answered, and steps that failed. */
  readonly requests: number;
  readonly failures: number;
  /** Rows: read in answers and messages, new, changed by the exchange after they were stored, refused. */
  readonly read: number;
  readonly stored: number;
  readonly revised: number;
  readonly quarantined: number;
  /** Closed candles of live streams that were written, new or not. */
  readonly streamed: number;
}

/** How far a backfill is. */
export interface IngestProgress {
  readonly series: number;
  readonly complete: number;
  /** Candles still missing in the series that were counted. */
  readonly missing: number;
  /** Whether every series was counted. */
  readonly isCounted: boolean;
  /** Since the start: rows that were new or changed, rows that were read, requests answered. */
  readonly written: number;
  readonly read: number;
  readonly requests: number;
  readonly rowsPerSecond: number;
  /** Null where nothing tells. */
  readonly etaSeconds: number | null;
}
