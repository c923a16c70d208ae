import type { CandlePage, CandlePageRequest } from '../../db/repositories/read-candle-page.ts';
import type { LedgerGap } from '../../db/repositories/ledger-gaps.ts';
import { writeRow } from './row-text.ts';

const COLUMNS = ['open', 'high', 'low', 'close', 'volume'] as const;
/** Each round looks twice as far back: a series of which something is missing everywhere must not be read as a whole. */
const ROUNDS = 8;
/** As many as one page names. */
const MAX_GAPS = 101;

type BuiltCandle = Readonly<Record<'timestamp' | (typeof COLUMNS)[number], string>> & { readonly partial?: true };

/**
 * The newest candles before `until`, as the shape asks: of arrays that are built from a finer timeframe the complete ones
 * (an array has no room for the mark of a partial one), of all others simply the newest.
 *
 * @param read a page of candles, as the repository reads it.
 * @param request with `since` null.
 */
export async function readNewest(
  read: (request: CandlePageRequest) => Promise<CandlePage>,
  request: CandlePageRequest,
): Promise<CandlePage> {
  return await (request.from !== null && request.shape === 'array' ? readNewestComplete(read, request) : read(request));
}

/**
 * The newest `limit` complete ones of the candles that are built from a finer timeframe, as the shape `array`, oldest
 * first. Partial ones are passed over and do not count, above all the one that is still forming. Fewer where no more
 * are stored, or where partial ones are so many that eight rounds of reading found no more.
 *
 * @returns a page without a next one, with the gaps from its first candle up to `until`.
 */
async function readNewestComplete(
  read: (request: CandlePageRequest) => Promise<CandlePage>,
  request: CandlePageRequest,
): Promise<CandlePage> {
  const { limit, numbers } = request;
  let { until } = request;
  let complete: BuiltCandle[] = [];
  let gaps: LedgerGap[] = [];
  // One more than is wanted: the newest candle is nearly always forming.
  let asked = limit + 1;
  for (let round = 0; round < ROUNDS && complete.length < limit; round++, asked *= 2) {
    const page = await read({ ...request, since: null, until, limit: asked, shape: 'object', numbers: 'string' });
    const candles = JSON.parse(`[${page.text}]`) as BuiltCandle[];
    const [first] = candles;
    if (!first) break;
    complete = [...candles.filter(({ partial }) => partial !== true), ...complete];
    gaps = joinGaps(page.gaps, gaps);
    until = Date.parse(first.timestamp);
  }
  const newest = complete.slice(-limit);
  const start = Date.parse(newest[0]?.timestamp ?? '') || until;
  return {
    text: newest
      .map((candle) => {
        const row = { timestamp: Date.parse(candle.timestamp), values: COLUMNS.map((name) => candle[name]) };
        return writeRow(row, COLUMNS, 'array', numbers);
      })
      .join(','),
    count: newest.length,
    nextSince: null,
    gaps: gaps
      .filter((gap) => gap.until > start)
      .map((gap) => ({ ...gap, since: Math.max(gap.since, start) }))
      .slice(0, MAX_GAPS),
  };
}

/** Gaps of two stretches that meet: one that goes on over the seam is one. */
function joinGaps(older: readonly LedgerGap[], newer: readonly LedgerGap[]): LedgerGap[] {
  const last = older.at(-1);
  const [first, ...others] = newer;
  if (last?.until !== first?.since || last?.state !== first?.state || !last || !first) return [...older, ...newer];
  return [...older.slice(0, -1), { ...last, until: first.until }, ...others];
}
