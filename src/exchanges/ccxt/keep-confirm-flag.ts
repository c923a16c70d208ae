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
