import type { CcxtInstance } from './ccxt-library.ts';

/**
 * Where exchanges say whether a candle is complete, by ccxt's id: the column of their own rows, `1` for complete.
 *
 * @see https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks
 */
const CONFIRM_COLUMNS: Readonly<Record<string, number>> = { okx: 8, okxus: 8, myokx: 8 };

/** Where the flag is in the rows of an instance that `keepConfirmFlag` was called for: behind ccxt's six columns. */
const KEPT_COLUMN = 6;

/**
 * Makes an instance keep the exchange's own word on whether a candle is complete, which ccxt drops, as a column behind
 * its six. Gives that column's index; null where the exchange says nothing of it.
 */
export function keepConfirmFlag(instance: CcxtInstance): number | null {
  const column = CONFIRM_COLUMNS[instance.id];
  if (column === undefined) return null;
  const parser = instance as CcxtInstance & ParsesRow;
  const parse = parser.parseOHLCV.bind(parser);
  parser.parseOHLCV = (row, market) => {
    const parsed = parse(row, market).slice(0, KEPT_COLUMN);
    return [...parsed, Array.isArray(row) ? row[column] : undefined];
  };
  return KEPT_COLUMN;
}

/** ccxt's own type promises six numbers; with `number: String` they are texts, and one column follows. */
interface ParsesRow {
  parseOHLCV: (row: unknown, market?: unknown) => unknown[];
}

/**
 * An exchange marks a candle complete within seconds of its end. One that is unmarked after this long is a fault of the
 * exchange's: what lies behind it must not wait for it.
 */
const CONFIRMING_MS = 10 * 60_000;

/**
 * What the exchange's word means for a candle that ends at `endMs`, at `nowMs` of the exchange's clock: `unconfirmed`
 * where it may still change, and the reason to keep the row aside where the word makes no sense.
 */
export function judgeConfirmation(
  word: unknown,
  endMs: number,
  nowMs: number,
): 'complete' | 'unconfirmed' | { readonly reason: string } {
  if (word === '1' || word === 1) return 'complete';
  if (word !== '0' && word !== 0) return { reason: 'the row does not say whether the candle is complete' };
  if (nowMs < endMs + CONFIRMING_MS) return 'unconfirmed';
  return { reason: 'the exchange still calls the candle incomplete, ten minutes after its end' };
}
