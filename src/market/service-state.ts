import { z } from 'zod';
import { moment } from './moment-schema.ts';

/*
 * What the parts of the service say of themselves. Where it is answered in JSON the schema declares it, spelled as it is
 * answered, and those who say it and those who answer take their types from there.
 */

/** The latest failure, for a person; null where there is none. */
const failure = z.string().nullable();

/**
 * `complete`: the window is stored, as far as the exchange has it. `backfilling`: on the way there. `behind`: the
 * newest candles are late, or what is still missing was sent in a form that cannot be stored. `refused`: the exchange
 * does not serve it.
 */
export const SERIES_STATES = ['complete', 'backfilling', 'behind', 'refused'] as const;

/** Where the collection of one series stands. */
export interface SeriesState {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly state: (typeof SERIES_STATES)[number];
  /** Candles still missing, unconfirmed ones included; null before the database was asked. */
  readonly missing: number | null;
  /** Rows that could not be candles, since the start. */
  readonly rejected: number;
  readonly last_error: string | null;
  /** Opening time of the newest stored candle, ISO 8601. */
  readonly last_candle_at: string | null;
}

/** One exchange as the ingest sees it. */
export const exchangeState = z.object({
  exchange: z.string(),
  /** `down`: it does not answer, or asked us to wait; `refused`: it refuses us as a whole. */
  state: z.enum(['up', 'down', 'refused']),
  /** `until` null: until somebody acts; the whole of it null where all may be sent. */
  block: z
    .object({ reason: z.string(), until: moment.nullable(), message: z.string() })
    .nullable()
    .describe('Why nothing may be sent to it, and until when.'),
  /** The allowances that it counts for our address, as they stand now. */
  budgets: z
    .array(z.object({ name: z.string(), limit: z.number(), window_seconds: z.number(), used: z.number() }))
    .readonly(),
  /** The live stream of candles; null where there is none. */
  stream: z
    .object({
      state: z.enum(['connecting', 'live', 'down']),
      subscribed: z.int(),
      connections: z.int(),
      reconnects: z.int(),
      received: z.int(),
      last_message_at: moment.nullable(),
      last_error: failure,
    })
    .nullable(),
  candle_limit: z.int().optional().describe('How many candles one request to it answers.'),
  /** Series that are collected from it here. */
  series: z.int(),
  last_error: failure,
});
export type ExchangeState = Readonly<z.output<typeof exchangeState>>;

/** The ingest as a whole. `complete` and `behind` exclude each other; the rest is on its way, or refused. */
export const ingestHealth = z.object({
  state: z.enum(['running', 'degraded', 'stopped']),
  series: z.int(),
  complete: z.int(),
  behind: z.int(),
  refused: z.int().describe('Series that the exchange does not have.'),
  /** How far the most delayed series is behind the exchange's clock: 0 when all are current, null before any is known. */
  max_lag_seconds: z.number().nullable(),
  futures: z.object({ feeds: z.int(), complete: z.int() }).describe('One feed for each symbol and kind of data.'),
  last_error: failure,
});
export type IngestHealth = Readonly<z.output<typeof ingestHealth>>;

/** The last refresh of recent_ohlcv. */
export const recentOhlcvState = z.object({
  /**
   * null before the first. Where another process does it: the end of its last turn, which may have found nothing new to
   * take in.
   */
  refreshed_at: moment.nullable(),
  /** null too where another process did it. */
  duration_ms: z.number().nullable(),
  rows: z.int().nullable(),
  last_error: failure.optional(),
});
export type RecentOhlcvState = Readonly<z.output<typeof recentOhlcvState>>;

/** How this replica stands among the others on the same database. */
export const replicaState = z.object({
  id: z.string(),
  /** `joining`: before the first answer of the database; `lost`: it cannot be reached and the lease has run out. */
  state: z.enum(['joining', 'member', 'lost', 'stopped']),
  /** Replicas that share this work, with this one; null before that is known. */
  alive: z.int().nullable(),
  /** Replicas on the same database that collect something else. */
  strangers: z.int(),
  /** Markets wanted by this replica's configuration, and those that it collects now. */
  markets: z.int(),
  held: z.int(),
  last_error: failure,
});
export type ReplicaState = Readonly<z.output<typeof replicaState>>;

/** The last audit of this process. */
export const auditState = z.object({
  /** When it began; null before the first. */
  at: moment.nullable(),
  duration_ms: z.number().nullable(),
  /** Ranges in which ledger and rows differed, and how many were put right. */
  differences: z.int().nullable(),
  repaired: z.int().nullable(),
  /** Values that contradict each other. */
  deviations: z.int().nullable(),
  last_error: failure,
});
export type AuditState = Readonly<z.output<typeof auditState>>;

/** All series of one exchange and timeframe, or all its feeds of one futures metric, for metrics. */
export interface IngestLag {
  readonly exchange: string;
  readonly timeframe: string;
  /** `ohlcv`, or the futures feed. */
  readonly metric: string;
  /** How far the most delayed of them is behind the exchange's clock; 0 when all are current. */
  readonly lag_seconds: number;
}

/** What the ingest did since the start of the process, for metrics. */
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

/** One pool of database connections as it stands now, for metrics. */
export interface PoolState {
  /** Its application_name, as in pg_stat_activity. */
  readonly pool: string;
  /** Connections: the most there may be, those that are open, and those of them that nobody uses. */
  readonly max: number;
  readonly open: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
}
