import type { CandlePage, CandlePageRequest } from '../../db/repositories/read-candle-page.ts';
import type { RangeState, RangeStateRequest } from '../../db/repositories/read-range-state.ts';
import { ceilToTimeframe } from '../../market/timeframe.ts';
import type { LedgerGap } from '../../db/repositories/ledger-gaps.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { RequestError } from '../protocol/errors.ts';
import { writeRow } from './row-text.ts';

const COLUMNS = ['open', 'high', 'low', 'close', 'volume'] as const;
/** A page reads some hundred thousand finer candles, about a second. */
const MOST_READS = 20;
/** A series of which something is missing everywhere must not be read as a whole: so many times what was asked for. */
const MOST_PASSED_OVER = 255;
/** As many as one page names. */
const MAX_GAPS = 101;

/** What the newest candles are read from. */
export interface NewestReader {
  readPage(request: CandlePageRequest): Promise<CandlePage>;
  readRangeState(request: RangeStateRequest): Promise<RangeState>;
}

type Read = (request: CandlePageRequest) => Promise<CandlePage>;
type BuiltCandle = Readonly<Record<'timestamp' | (typeof COLUMNS)[number], string>> & { readonly partial?: true };

/**
 * The newest candles before `until`, as the shape asks: of arrays that are built from a finer timeframe the complete ones
 * (an array has no room for the mark of a partial one), of all others simply the newest.
 *
 * @param read a page of candles, as the repository reads it.
 * @param request with `since` null.
 * @throws RequestError REQUEST_INVALID where they would be built of millions of finer ones.
 */
export async function readNewest(read: Read, request: CandlePageRequest): Promise<CandlePage> {
  if (request.from === null) return await read(request);
  return await (request.shape === 'array' ? readNewestComplete(read, request) : readNewestBuilt(read, request));
}

/** As `readNewest`; where it is all that can be built, it speaks for all that its source has, from where that is wanted. */
export async function readNewestAnswer(reader: NewestReader, request: CandlePageRequest): Promise<CandlePage> {
  const { from, series, until, limit, now } = request;
  const page = await readNewest((wanted) => reader.readPage(wanted), request);
  if (from === null || page.count >= limit) return page;
  const source = { ...series, timeframe: from };
  const end = ceilToTimeframe(until, series.timeframe);
  const state = await reader.readRangeState({ series: source, since: null, until: end, newest: null, now });
  // A first candle whose beginning is not stored tells more than the rows that it is built from.
  if (page.answered.since < state.since) return page;
  return {
    ...page,
    answered: { since: state.since, until: Math.max(state.since, page.answered.until) },
    gaps: state.gaps,
  };
}

async function readNewestBuilt(read: Read, request: CandlePageRequest): Promise<CandlePage> {
  const texts: string[] = [];
  let count = 0;
  let gaps: LedgerGap[] = [];
  const seen: TimeRange[] = [];
  for await (const { page } of readBackwards(read, request, () => request.limit - count)) {
    texts.unshift(page.text);
    count += page.count;
    gaps = joinGaps(page.gaps, gaps);
    seen.push(page.answered);
  }
  const since = seen.at(-1)?.since ?? request.until;
  const range = { since, until: Math.max(since, seen[0]?.until ?? since) };
  return { text: texts.join(','), count, nextSince: null, answered: range, gaps: gaps.slice(0, MAX_GAPS) };
}

/**
 * The newest `limit` complete ones of the candles that are built from a finer timeframe, as the shape `array`, oldest
 * first. Partial ones are passed over and do not count, above all the one that is still forming. Fewer where no more
 * are stored, or where 255 times as many were looked at.
 *
 * @returns a page without a next one, with the gaps from its first candle up to `until`.
 */
async function readNewestComplete(read: Read, request: CandlePageRequest): Promise<CandlePage> {
  const { limit, numbers } = request;
  let { until } = request;
  let end: number | null = null;
  let complete: BuiltCandle[] = [];
  let gaps: LedgerGap[] = [];
  // One more than is wanted, because the newest candle is nearly always forming; then twice as many each time.
  let lookedAt = 0;
  const wanted = () =>
    complete.length >= limit || lookedAt >= MOST_PASSED_OVER * (limit + 1) ? 0 : lookedAt + limit + 1;
  const asObjects = { ...request, shape: 'object', numbers: 'string' } as const;
  for await (const { page, candles, first } of readBackwards(read, asObjects, wanted)) {
    lookedAt += candles.length;
    complete = [...candles.filter(({ partial }) => partial !== true), ...complete];
    gaps = joinGaps(page.gaps, gaps);
    until = first;
    end ??= page.answered.until;
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
    answered: { since: start, until: Math.max(start, end ?? start) },
    gaps: gaps
      .filter((gap) => gap.until > start)
      .map((gap) => ({ ...gap, since: Math.max(gap.since, start) }))
      .slice(0, MAX_GAPS),
  };
}

/**
 * Pages of objects, the newest first, each of those before the one before it, until nothing is stored or wanted any
 * more: a page of built candles ends where it would read too many of the finer ones.
 *
 * @param wanted how many candles the next page may have; 0 to end.
 */
async function* readBackwards(
  read: Read,
  request: CandlePageRequest,
  wanted: () => number,
): AsyncGenerator<{ readonly page: CandlePage; readonly candles: BuiltCandle[]; readonly first: number }, void> {
  let { until } = request;
  let reads = 0;
  for (let limit = wanted(); limit > 0; limit = wanted()) {
    const page = await read({ ...request, until, limit });
    const candles = JSON.parse(`[${page.text}]`) as BuiltCandle[];
    if (!candles[0]) return;
    if (++reads > MOST_READS)
      throw new RequestError(
        'REQUEST_INVALID',
        'So many candles would be built of millions of finer ones: ask for fewer, name since and follow next, or ask for csv.',
        { errors: [{ field: 'limit', message: 'must be smaller for this timeframe' }] },
      );
    until = Date.parse(candles[0].timestamp);
    yield { page, candles, first: until };
  }
}

/** Gaps of two ranges that meet: one that goes on over the seam is one. */
function joinGaps(older: readonly LedgerGap[], newer: readonly LedgerGap[]): LedgerGap[] {
  const last = older.at(-1);
  const [first, ...others] = newer;
  if (last?.until !== first?.since || last?.state !== first?.state || !last || !first) return [...older, ...newer];
  return [...older.slice(0, -1), { ...last, until: first.until }, ...others];
}
