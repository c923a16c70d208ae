import type { TimeRange } from '../../market/time-range.ts';
import type { Numbers } from './rows.ts';
import { writeRow, type TextRow } from './row-text.ts';
import type { LinePage } from './write-lines.ts';

const PAGE_ROWS = 5000;

/**
 * The rows of a range as lines of CSV or JSON, oldest first, in pages: what an export sends of tables that the server
 * does not write as text itself.
 *
 * @param list the first `limit` rows of a range, oldest first.
 * @param limit rows at most; null: all.
 */
export async function* pageLines(
  list: (range: TimeRange, limit: number) => Promise<readonly TextRow[]>,
  { since, until }: TimeRange,
  limit: number | null,
  {
    columns,
    shape,
    numbers,
  }: { readonly columns: readonly string[]; readonly shape: 'object' | 'csv'; readonly numbers: Numbers },
): AsyncGenerator<LinePage, void> {
  let left = limit ?? Infinity;
  let start = since;
  while (left > 0 && start < until) {
    const wanted = Math.min(PAGE_ROWS, left);
    const rows = await list({ since: start, until }, wanted);
    const last = rows.at(-1);
    if (!last) return;
    const text = rows.map((row) => `${writeRow(row, columns, shape, numbers)}\n`).join('');
    yield { lines: Buffer.from(text), count: rows.length };
    if (rows.length < wanted) return;
    left -= rows.length;
    start = last.timestamp + 1;
  }
}
