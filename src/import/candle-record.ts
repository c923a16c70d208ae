import { findCandleFault, isClosed, type Candle } from '../market/candle.ts';
import { parseDecimal, type Decimal } from '../market/decimal.ts';
import type { Timeframe } from '../market/timeframe.ts';
import { findLengthFault } from '../market/timeframe-evidence.ts';
import { readFileMoment } from '../market/moments.ts';

/** One row of a file, as texts. What the row does not have is left out. */
export interface CandleRecord {
  /** Where it begins; the first line of the file is 1. */
  readonly line: number;
  readonly exchange?: string | undefined;
  readonly symbol?: string | undefined;
  readonly timeframe?: string | undefined;
  readonly time?: string | undefined;
  /** The candle's last moment, or the first one after it. */
  readonly closingTime?: string | undefined;
  readonly open?: string | undefined;
  readonly high?: string | undefined;
  readonly low?: string | undefined;
  readonly close?: string | undefined;
  readonly volume?: string | undefined;
  /** What our own exports of built candles say: `true` where something of the candle is lacking. */
  readonly partial?: string | undefined;
}

/** When a row's candle opens and, where the row tells it, closes; epoch milliseconds. */
export interface RecordSpan {
  readonly openMs: number;
  readonly closingMs: number | null;
}

/** Why a row is no candle of its series. */
export class RecordFault extends Error {}

/** @throws RecordFault where a time cannot be read. */
export function readSpan({ time = '', closingTime = '' }: CandleRecord): RecordSpan {
  const openMs = readFileMoment(time);
  if (openMs === null)
    throw new RecordFault(`the opening time "${time}" is neither ISO 8601 nor milliseconds or microseconds`);
  if (closingTime === '') return { openMs, closingMs: null };
  // In microseconds a last moment ends in 999, and is no whole number of milliseconds.
  const closingMs = readFileMoment(/^\d{13}999$/.test(closingTime) ? closingTime.slice(0, -3) : closingTime);
  if (closingMs === null)
    throw new RecordFault(`the closing time "${closingTime}" is neither ISO 8601 nor milliseconds or microseconds`);
  return { openMs, closingMs };
}

/**
 * The candle of a row, its decimals exactly as written (exponents written out).
 *
 * @param nowMs a candle that has not ended then is refused: its values are not final.
 * @param span the row's times, where they were read before.
 * @throws RecordFault
 */
export function toCandle(
  record: CandleRecord,
  timeframe: Timeframe,
  nowMs: number,
  { openMs: timestamp, closingMs }: RecordSpan = readSpan(record),
): Candle {
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
  const lengthFault = closingMs === null ? null : findLengthFault(timestamp, closingMs, timeframe);
  if (lengthFault !== null) throw new RecordFault(lengthFault);
  if (!isClosed(timestamp, timeframe, nowMs)) throw new RecordFault('the candle is still in progress');
  if (!WHOLE.has(record.partial ?? ''))
    throw new RecordFault('the candle is partial: it was built while some of its shorter ones were lacking');
  return candle;
}

const WHOLE = new Set(['', 'false']);

function toDecimal(record: CandleRecord, column: 'open' | 'high' | 'low' | 'close' | 'volume'): Decimal {
  const text = record[column];
  if (text === undefined || text === '') throw new RecordFault(`${column} is missing`);
  try {
    return parseDecimal(text);
  } catch {
    throw new RecordFault(`${column} "${text.slice(0, 80)}" is not a decimal number`);
  }
}
