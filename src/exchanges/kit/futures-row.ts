import type { FuturesRow } from './futures-page.ts';

/** Reads a row that is an object; undefined where it is none. */
export function readFields(
  raw: unknown,
  read: (row: Readonly<Record<string, unknown>>) => FuturesRow,
): FuturesRow | undefined {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
    ? read(raw as Record<string, unknown>)
    : undefined;
}

/** Reads a row that is a list of at least `length` values; undefined where it is none. */
export function readList(
  raw: unknown,
  length: number,
  read: (row: readonly unknown[]) => FuturesRow,
): FuturesRow | undefined {
  return Array.isArray(raw) && raw.length >= length ? read(raw) : undefined;
}
