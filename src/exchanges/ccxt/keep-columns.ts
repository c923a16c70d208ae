import type { CcxtInstance } from './ccxt-library.ts';

/** ccxt makes six columns of each candle row. */
const OWN_COLUMNS = 6;

/**
 * Makes an instance keep more of each candle row than ccxt does, such as the exchange's own word on whether the candle is
 * complete: columns behind its six. `places`: where each is in the exchange's own rows, a column of a list or a field of
 * an object; null: nowhere. Gives the index of each in the rows that the instance makes from now on, null where it is
 * nowhere.
 */
export function keepColumns<Name extends string>(
  instance: CcxtInstance,
  places: Readonly<Record<Name, number | string | null>>,
): Readonly<Record<Name, number | null>> {
  const entries = Object.entries<number | string | null>(places) as [Name, number | string | null][];
  const kept = entries.filter(([, place]) => place !== null);
  const indexes = Object.fromEntries(entries.map(([name]) => [name, null])) as Record<Name, number | null>;
  if (kept.length === 0) return indexes;
  for (const [index, [name]] of kept.entries()) indexes[name] = OWN_COLUMNS + index;
  const parser = instance as CcxtInstance & ParsesRow;
  const parse = parser.parseOHLCV.bind(parser);
  parser.parseOHLCV = (row, market) => [
    ...parse(row, market).slice(0, OWN_COLUMNS),
    ...kept.map(([, place]) => readPlace(row, place)),
  ];
  return indexes;
}

function readPlace(row: unknown, place: number | string | null): unknown {
  if (typeof row !== 'object' || row === null || place === null) return undefined;
  return (row as Readonly<Record<number | string, unknown>>)[place];
}

/** ccxt's own type promises six numbers; with `number: String` they are texts, and columns follow. */
interface ParsesRow {
  parseOHLCV: (row: unknown, market?: unknown) => unknown[];
}
