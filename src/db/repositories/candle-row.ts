import type { Selectable } from 'kysely';
import type { Candle } from '../../market/candle.ts';
import type { Decimal } from '../../market/decimal.ts';
import type { OhlcvDataTable } from '../schema.ts';

/** The columns of a candle in ohlcv_data and recent_ohlcv, besides the three of its series. */
export const CANDLE_COLUMNS = ['timestamp', 'open', 'high', 'low', 'close', 'volume'] as const;

type CandleRow = Pick<Selectable<OhlcvDataTable>, (typeof CANDLE_COLUMNS)[number]>;

/** A stored row as a candle; `numeric` comes with all its digits. */
export function fromCandleRow(row: CandleRow): Candle {
  return {
    timestamp: row.timestamp.getTime(),
    open: row.open as Decimal,
    high: row.high as Decimal,
    low: row.low as Decimal,
    close: row.close as Decimal,
    volume: row.volume as Decimal,
  };
}

/** Candles as one array literal per column, in the order of CANDLE_COLUMNS: `unnest` makes rows of them again. */
export function toCandleArrays(candles: readonly Candle[]): string[] {
  // Neither decimals nor ISO times hold a character that an array literal would need quoted.
  return CANDLE_COLUMNS.map((column) =>
    column === 'timestamp'
      ? `{${candles.map((candle) => new Date(candle.timestamp).toISOString()).join(',')}}`
      : `{${candles.map((candle) => candle[column]).join(',')}}`,
  );
}

/** A candle as the end of a line of COPY's text format, in the order of CANDLE_COLUMNS. */
export function toCopyFields(candle: Candle): string {
  const { timestamp, open, high, low, close, volume } = candle;
  return `${new Date(timestamp).toISOString()}\t${open}\t${high}\t${low}\t${close}\t${volume}\n`;
}
