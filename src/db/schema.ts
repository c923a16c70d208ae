import type { ColumnType, Generated } from 'kysely';

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
}

/** Written as an ISO 8601 string or a Date, never changed afterwards. */
type Moment = ColumnType<Date, Date | string, never>;
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
