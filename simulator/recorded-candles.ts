import { readFile } from 'node:fs/promises';
import { isDecimal, parseDecimal, type Decimal } from '../src/market/decimal.ts';
import { DAY_MS, MINUTE_MS } from '../src/market/moments.ts';
import { parseTimeframe } from '../src/market/timeframe.ts';
import { messageOf } from '../src/errors.ts';
import { ceilToInterval, findInterval, nextOpening, type BinanceInterval } from './binance-interval.ts';
import type { CandleQuery } from './candle-aggregation.ts';
import { decimalsOf, formatUnits, toUnits } from './decimal-text.ts';
import type { KlineRow, KlineSource } from './klines.ts';
import { mixHash } from './noise.ts';

/** A recorded candle, its digits as they were written down. */
export type RecordedRow = readonly [
  openMs: number,
  open: Decimal,
  high: Decimal,
  low: Decimal,
  close: Decimal,
  volume: Decimal,
];

/** Candles to serve instead of invented ones: exactly these rows, gaps included. */
export interface RecordedSeries {
  /** ccxt's unified spot symbol, such as `XRP/ETH`. */
  readonly symbol: string;
  /** Their length, such as `1m`. */
  readonly timeframe: string;
  /** Oldest first. */
  readonly candles: readonly RecordedRow[];
}

/**
 * Reads recorded candles: a JSON array of `[ms, open, high, low, close, volume]`, as numbers (freqtrade's files) or as
 * strings. Digits are kept as they stand in the file, never read as a float.
 *
 * @throws Error naming the file and the row where it holds something else.
 */
export async function loadRecordedCandles(path: string): Promise<RecordedRow[]> {
  try {
    return parseRecordedCandles(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`cannot serve the candles recorded in ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** The candles in the text of such a file; throws RangeError or SyntaxError. */
export function parseRecordedCandles(text: string): RecordedRow[] {
  // Quoting every bare number first lets JSON.parse keep its digits.
  const quoted = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  const rows: unknown = JSON.parse(quoted);
  if (!Array.isArray(rows)) throw new RangeError('it is no array of rows');
  return rows.map((row: unknown, index) => {
    if (!Array.isArray(row) || row.length !== 6) throw new RangeError(`row ${index + 1} has not six columns`);
    const [time, ...values] = row as unknown[];
    const openMs = typeof time === 'string' && /^\d+$/.test(time) ? Number(time) : NaN;
    if (!Number.isSafeInteger(openMs)) throw new RangeError(`row ${index + 1} has no opening time in milliseconds`);
    const [open, high, low, close, volume] = values.map((value, column) => {
      try {
        return parseDecimal(value);
      } catch (error) {
        throw new RangeError(`row ${index + 1}, column ${column + 2}: ${messageOf(error)}`, { cause: error });
      }
    }) as [Decimal, Decimal, Decimal, Decimal, Decimal];
    return [openMs, open, high, low, close, volume];
  });
}

/** The recorded candles of one symbol, in one or several lengths; all others are added up from them where exact. */
export class RecordedKlines implements KlineSource {
  readonly #series = new Map<BinanceInterval, readonly RecordedRow[]>();
  readonly #joined = new Map<BinanceInterval, readonly RecordedRow[]>();

  /** @throws RangeError where the series cannot be served (unknown length, rows out of order, no rows). */
  constructor(recorded: readonly RecordedSeries[]) {
    for (const { symbol, timeframe, candles } of recorded) {
      const interval = findInterval(parseTimeframe(timeframe));
      if (interval === null) throw new RangeError(`recorded ${symbol}: Binance has no candles of ${timeframe}`);
      if (this.#series.has(interval)) throw new RangeError(`recorded ${symbol}: ${timeframe} is given twice`);
      checkRows(candles, `recorded ${symbol} ${timeframe}`);
      this.#series.set(interval, candles);
    }
  }

  /** The most decimals that any price, and any volume, has. */
  get decimals(): { readonly price: number; readonly volume: number } {
    let [price, volume] = [0, 0];
    for (const rows of this.#series.values()) {
      for (const [, open, high, low, close, amount] of rows) {
        for (const value of [open, high, low, close]) price = Math.max(price, decimalsOf(value));
        volume = Math.max(volume, decimalsOf(amount));
      }
    }
    return { price, volume };
  }

  /** Only closed candles: how a recorded one looked while it was in progress is not known. */
  listKlines(query: CandleQuery): KlineRow[] | null {
    const { interval, startMs, endMs, limit, nowMs } = query;
    const rows = this.#rowsOf(interval);
    if (rows === null) return null;
    const wanted = rows.filter(
      ([openMs]) => openMs >= (startMs ?? 0) && openMs <= (endMs ?? Infinity) && nextOpening(openMs, interval) <= nowMs,
    );
    const page = startMs === null ? wanted.slice(-limit) : wanted.slice(0, limit);
    return page.map((row) => toKlineRow(row, interval));
  }

  #rowsOf(interval: BinanceInterval): readonly RecordedRow[] | null {
    const known = this.#series.get(interval) ?? this.#joined.get(interval);
    if (known !== undefined) return known;
    for (const [finer, rows] of this.#series) {
      if (!fitsInto(finer, interval)) continue;
      const joined = joinRows(rows, finer, interval);
      this.#joined.set(interval, joined);
      return joined;
    }
    return null;
  }
}

function checkRows(rows: readonly RecordedRow[], name: string): void {
  if (rows.length === 0) throw new RangeError(`${name} has no candles`);
  let before = -1;
  for (const [openMs, ...values] of rows) {
    if (!(openMs > before)) throw new RangeError(`${name} is out of order at ${openMs}: sort it, each time once`);
    if (!values.every((value) => isDecimal(value))) throw new RangeError(`${name} has no plain decimal at ${openMs}`);
    before = openMs;
  }
}

/** Whether candles of length `coarse` consist of whole candles of length `fine`. */
function fitsInto(fine: BinanceInterval, coarse: BinanceInterval): boolean {
  if (fine === '1M' || fine === '3d' || fine === '1w') return false;
  const length = nextOpening(0, fine);
  if (coarse === '1M' || coarse === '1w') return DAY_MS % length === 0;
  const whole = nextOpening(0, coarse);
  return whole > length && whole % length === 0;
}

/**
 * Joins rows into longer candles. A missing row is a time without trades; what lies before the first row and after the
 * last one is not known, so a candle that reaches out there is left away.
 */
function joinRows(rows: readonly RecordedRow[], from: BinanceInterval, to: BinanceInterval): RecordedRow[] {
  const knownFrom = rows[0]?.[0] ?? 0;
  const knownUntil = nextOpening(rows.at(-1)?.[0] ?? 0, from);
  const joined: RecordedRow[] = [];
  let at = 0;
  for (let open = ceilToInterval(knownFrom, to); nextOpening(open, to) <= knownUntil; open = nextOpening(open, to)) {
    const end = nextOpening(open, to);
    while ((rows[at]?.[0] ?? Infinity) < open) at++;
    const start = at;
    while ((rows[at]?.[0] ?? Infinity) < end) at++;
    const part = rows.slice(start, at);
    const [first] = part;
    const last = part.at(-1);
    if (!first || !last) continue;
    const high = part.map((row) => row[2]).reduce((a, b) => (isAbove(b, a) ? b : a));
    const low = part.map((row) => row[3]).reduce((a, b) => (isAbove(a, b) ? b : a));
    const decimals = Math.max(...part.map((row) => decimalsOf(row[5])));
    const volume = part.reduce((sum, row) => sum + toUnits(row[5], decimals), 0n);
    joined.push([open, first[1], high, low, last[4], formatUnits(volume, decimals)]);
  }
  return joined;
}

function isAbove(a: Decimal, b: Decimal): boolean {
  const decimals = Math.max(decimalsOf(a), decimalsOf(b));
  return toUnits(a, decimals) > toUnits(b, decimals);
}

/** The columns that were not recorded are made up: the quote volume at the closing price, trades and taker's share. */
function toKlineRow(row: RecordedRow, interval: BinanceInterval): KlineRow {
  const [openMs, open, high, low, close, volume] = row;
  const [priceDecimals, volumeDecimals] = [decimalsOf(close), decimalsOf(volume)];
  const steps = toUnits(volume, volumeDecimals);
  const takerSteps = (steps * BigInt(30 + (mixHash(1, openMs / MINUTE_MS) % 41))) / 100n;
  const quote = (amount: bigint) => {
    const units = amount * toUnits(close, priceDecimals);
    const decimals = priceDecimals + volumeDecimals;
    return decimals > 8 ? formatUnits(units / 10n ** BigInt(decimals - 8), 8) : formatUnits(units, decimals, 8);
  };
  return [
    openMs,
    open,
    high,
    low,
    close,
    volume,
    nextOpening(openMs, interval) - 1,
    quote(steps),
    steps === 0n ? 0 : 1 + (mixHash(2, openMs / MINUTE_MS) % 60),
    formatUnits(takerSteps, volumeDecimals),
    quote(takerSteps),
    '0',
  ];
}
