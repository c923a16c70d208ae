import { findCandleFault, isClosed, type Candle } from '../market/candle.ts';
import { parseDecimal, type Decimal } from '../market/decimal.ts';
import type { Timeframe } from '../market/timeframe.ts';
import { readFileMoment } from '../market/moments.ts';

/** One row of a file, as texts. What the row does not have is left out. */
export interface CandleRecord {
  /** Where it begins; the first line of the file is 1. */
  readonly line: number;
  readonly exchange?: string | undefined;
  readonly symbol?: string | undefined;
  readonly timeframe?: string | undefined;
  readonly time?: string | undefined;
  readonly open?: string | undefined;
  readonly high?: string | undefined;
  readonly low?: string | undefined;
  readonly close?: string | undefined;
  readonly volume?: string | undefined;
}

/** Why a row is no candle of its series. */
export class RecordFault extends Error {}

/**
 * The candle of a row, its decimals exactly as written (exponents written out).
 *
 * @param nowMs a candle that has not ended then is refused: its values are not final.
 * @throws RecordFault
 */
export function toCandle(record: CandleRecord, timeframe: Timeframe, nowMs: number): Candle {
  const { time = '' } = record;
  const timestamp = readFileMoment(time);
  if (timestamp === null)
    throw new RecordFault(`the opening time "${time}" is neither ISO 8601 nor milliseconds or microseconds`);
  const candle = {
    timestamp,
    open: toDecimal(record, 'open'),
    high: toDecimal(record, 'high'),
    low: toDecimal(record, 'low'),
    close: toDecimal(record, 'close'),
    volume: toDecimal(record, 'volume'),
  };
  const fault = findCandleFault(candle, timeframe, nowMs);
  if (fault !== null) throw new RecordFault(fault);
  if (!isClosed(timestamp, timeframe, nowMs)) throw new RecordFault('the candle is still in progress');
  return candle;
}

function toDecimal(record: CandleRecord, column: 'open' | 'high' | 'low' | 'close' | 'volume'): Decimal {
  const text = record[column];
  if (text === undefined || text === '') throw new RecordFault(`${column} is missing`);
  try {
    return parseDecimal(text);
  } catch {
    throw new RecordFault(`${column} "${text.slice(0, 80)}" is not a decimal number`);
  }
}
