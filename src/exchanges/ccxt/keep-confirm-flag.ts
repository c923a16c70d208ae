import type { CcxtInstance } from './ccxt-library.ts';

/** Where the flag is in the rows of an instance that `keepConfirmFlag` was called for: behind ccxt's six columns. */
const KEPT_COLUMN = 6;

/**
 * Makes an instance keep the exchange's own word on whether a candle is complete, which ccxt drops, as a column behind
 * its six. `column`: where it is in the exchange's own rows. Gives the kept column's index.
 */
export function keepConfirmFlag(instance: CcxtInstance, column: number): number {
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
