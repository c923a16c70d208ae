import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

/**
 * Row types of the tables at the head revision, as far as this build reads and writes them. Columns are spelled as
 * stored. `numeric` arrives as an exact string, `timestamptz` as a Date, `bigint` as a string.
 */
export interface Database {
  ohlcv_data: OhlcvDataTable;
  recent_ohlcv: OhlcvDataTable;
  futures_data: FuturesDataTable;
  prediction_outcomes: PredictionOutcomesTable;
  telegram_reports: TelegramReportsTable;
  coverage: CoverageTable;
  candle_revisions: CandleRevisionsTable;
  quarantine: QuarantineTable;
  replicas: ReplicasTable;
  leases: LeasesTable;
  job_runs: JobRunsTable;
  exchange_blocks: ExchangeBlocksTable;
}

/** Written as an ISO 8601 string or a Date, never changed afterwards. */
type Moment = ColumnType<Date, Date | string, never>;
/** As `Moment`, and may change. */
type ChangingMoment = ColumnType<Date, Date | string, Date | string>;
type NullableMoment = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
/** An exact decimal. */
type Numeric = ColumnType<string, string, string>;
type NullableNumeric = ColumnType<string | null, string | null | undefined, string | null>;

export interface OhlcvDataTable {
  id: Generated<string>;
  exchange: string;
  symbol: string;
  timeframe: string;
  timestamp: Moment;
  open: Numeric;
  high: Numeric;
  low: Numeric;
  close: Numeric;
  volume: Numeric;
  created_at: Generated<Date | null>;
}

export interface FuturesDataTable {
  id: Generated<number>;
  exchange: string;
  symbol: string;
  timestamp: Moment;
  open_interest: NullableNumeric;
  open_interest_value: NullableNumeric;
  funding_rate: NullableNumeric;
  mark_price: NullableNumeric;
  top_trader_ratio: NullableNumeric;
  taker_buy_sell_ratio: NullableNumeric;
  created_at: Generated<Date | null>;
}

export interface PredictionOutcomesTable {
  id: Generated<string>;
  prediction_id: string | null;
  actual_outcome: number | null;
  target_hit_timestamp: ColumnType<Date | null, Date | string | null, Date | string | null>;
  time_to_target_hours: NullableNumeric;
  max_favorable_move: NullableNumeric;
  max_adverse_move: NullableNumeric;
  completed_at: Generated<Date | null>;
}

export interface TelegramReportsTable {
  id: Generated<string>;
  report_type: string;
  content: string;
  sent_at: Generated<Date | null>;
  success: Generated<boolean | null>;
  error_message: string | null;
}

/** A stretch of one series and metric in one state; those of one key never overlap. */
export interface CoverageTable {
  exchange: string;
  symbol: string;
  timeframe: string;
  /** `ohlcv`, or a futures feed. */
  metric: string;
  since: Moment;
  until: ChangingMoment;
  state: string;
  asks: Generated<number>;
  first_asked_at: NullableMoment;
  last_asked_at: NullableMoment;
  reason: string | null;
}

/** A stored candle whose values were replaced. */
export interface CandleRevisionsTable {
  id: GeneratedAlways<string>;
  exchange: string;
  symbol: string;
  timeframe: string;
  timestamp: Moment;
  changed_at: Generated<Date>;
  old_open: Numeric;
  old_high: Numeric;
  old_low: Numeric;
  old_close: Numeric;
  old_volume: Numeric;
  new_open: Numeric;
  new_high: Numeric;
  new_low: Numeric;
  new_close: Numeric;
  new_volume: Numeric;
}

/** A row that an exchange sent and that cannot be stored. */
export interface QuarantineTable {
  id: GeneratedAlways<string>;
  exchange: string;
  symbol: string;
  timeframe: string | null;
  metric: string;
  claimed_at: NullableMoment;
  reason: string;
  raw: string;
  source: string;
  seen: Generated<number>;
  first_seen_at: Generated<Date>;
  last_seen_at: Generated<Date>;
  /** SHA-256 of reason and whole raw text. */
  digest: string;
}

/** A process that collects; alive while `expires_at` lies ahead by the database's clock. */
export interface ReplicasTable {
  id: string;
  host: string;
  started_at: Moment;
  expires_at: ChangingMoment;
  last_write_at: NullableMoment;
}

/** Which replica collects a market. */
export interface LeasesTable {
  exchange: string;
  symbol: string;
  replica_id: string;
  acquired_at: Generated<Date>;
}

/** One turn of a scheduled job, run by the replica that claimed it. */
export interface JobRunsTable {
  job: string;
  turn: Moment;
  replica_id: string;
  started_at: Generated<Date>;
  finished_at: NullableMoment;
  error: string | null;
}

/** Until when an exchange wants no request from one address. */
export interface ExchangeBlocksTable {
  exchange: string;
  origin: string;
  address: string;
  reason: string;
  blocked_until: ChangingMoment;
  message: string;
  replica_id: string;
  noted_at: Generated<Date>;
}
