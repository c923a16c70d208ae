import type { Numbers } from './rows.ts';
import { toIso } from '../../market/moments.ts';

/** A row of any table: its time, then its values in the order of its columns; null where one is not known. */
export interface TextRow {
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly values: readonly (string | null)[];
}

/** How one row is written: see `CandleShape`. */
export type RowShape = 'object' | 'array' | 'csv';

/** One row as JSON or as a CSV line (without its end; a value that is not known is empty). */
export function writeRow(
  { timestamp, values }: TextRow,
  columns: readonly string[],
  shape: RowShape,
  numbers: Numbers,
): string {
  const time = shape === 'array' ? '' : toIso(timestamp);
  if (shape === 'csv') return `${time},${values.map((value) => value ?? '').join(',')}`;
  if (shape === 'array') return `[${timestamp},${values.map((value) => writeValue(value, numbers)).join(',')}]`;
  return `{"timestamp":"${time}",${writeFields(values, columns, numbers)}}`;
}

/** The values as fields of a JSON object, without its braces. */
export function writeFields(values: TextRow['values'], columns: readonly string[], numbers: Numbers): string {
  return values.map((value, place) => `"${columns[place] ?? ''}":${writeValue(value, numbers)}`).join(',');
}

function writeValue(value: string | null, numbers: Numbers): string {
  if (value === null) return 'null';
  // Decimals are JSON numbers as they stand, but `numeric` has values that JSON has not.
  return numbers === 'float' ? (/^-?\d/.test(value) ? value : 'null') : `"${value}"`;
}
