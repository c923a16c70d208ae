import { findInterval, nextOpening } from './binance-interval.ts';
import type { InterceptedRequest } from './fault.ts';

/** A row of an answer: a list (candles) or an object (statistics, funding). */
export type WireRow = readonly unknown[] | Readonly<Record<string, unknown>>;

/** How the rows of an endpoint are read and changed. */
export interface RowShape {
  /** Names the series, such as `/api/v3/klines:BTCUSDT:1m`. */
  readonly series: string;
  /** Candles of spot, whose values may be revised. */
  readonly isCandle: boolean;
  readonly timeOf: (row: WireRow) => number;
  /** From when on the row is final. */
  readonly endOf: (row: WireRow) => number;
  readonly move: (row: WireRow, byMs: number) => WireRow;
}

/** The shape of the rows that answer this request, or null where the answer is none of rows. */
export function findRowShape({ path, query }: Pick<InterceptedRequest, 'path' | 'query'>): RowShape | null {
  const text = query.get('interval') ?? query.get('period') ?? '';
  const series = `${path}:${query.get('symbol') ?? ''}:${text}`;
  if (/klines$/i.test(path)) {
    const interval = findInterval(text);
    if (interval === null) return null;
    const timeOf = (row: WireRow) => Number((row as readonly unknown[])[0]);
    return {
      series,
      isCandle: path === '/api/v3/klines',
      timeOf,
      endOf: (row) => nextOpening(timeOf(row), interval),
      move: (row, byMs) => (row as readonly unknown[]).with(0, timeOf(row) + byMs),
    };
  }
  const name = path.startsWith('/futures/data/') ? 'timestamp' : path === '/fapi/v1/fundingRate' ? 'fundingTime' : null;
  if (name === null) return null;
  const timeOf = (row: WireRow) => Number((row as Readonly<Record<string, unknown>>)[name]);
  return {
    series,
    isCandle: false,
    timeOf,
    endOf: timeOf,
    move: (row, byMs) => ({ ...(row as object), [name]: timeOf(row) + byMs }),
  };
}

/** The row with other values that could be true: another close and volume of a candle, other amounts elsewhere. */
export function reviseRow(row: WireRow): WireRow {
  if (!Array.isArray(row)) return mapAmounts(row as Readonly<Record<string, unknown>>, changeDigit);
  const cells = row as readonly unknown[];
  const { close, volume } = reviseValues({
    high: String(cells[2]),
    low: String(cells[3]),
    close: String(cells[4]),
    volume: String(cells[5]),
  });
  return cells.with(4, close).with(5, volume);
}

/** Another closing price within the extremes, where there is room, and in any case another volume. */
export function reviseValues(candle: { high: string; low: string; close: string; volume: string }): {
  close: string;
  volume: string;
} {
  const { high, low, close, volume } = candle;
  return { close: close === high ? low : high, volume: changeDigit(volume) };
}

/** The row with values that cannot be: a highest price of nothing, or a word for a number. */
export function spoilRow(row: WireRow): WireRow {
  if (Array.isArray(row)) return (row as readonly unknown[]).with(2, '0.00000000');
  return mapAmounts(row as Readonly<Record<string, unknown>>, () => 'NaN');
}

/** The first digit is another one, and not nought. */
function changeDigit(value: string): string {
  return value.replace(/\d/, (digit) => String((Number(digit) % 9) + 1));
}

function mapAmounts(row: Readonly<Record<string, unknown>>, change: (value: string) => string): WireRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'string' && name !== 'symbol' ? change(value) : value,
    ]),
  );
}
