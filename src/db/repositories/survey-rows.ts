import { sql, type Kysely } from 'kysely';
import { type CoverageKey, type CoverageRange, haveRange, missingRange } from '../../market/coverage.ts';
import { LONGEST_FUNDING_INTERVAL_MS } from '../../market/funding-slots.ts';
import { subtractLists } from '../../market/range-lists.ts';
import { createRange, type TimeRange } from '../../market/time-range.ts';
import { ceilToTimeframe, parseTimeframe, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { findCandleGaps, findSlotGaps } from './find-candle-gaps.ts';
import { findFuturesGaps } from './find-futures-gaps.ts';

/**
 * What the rows say of the opening times in the range: `have` where they are stored, `missing` where not; oldest first,
 * and nothing where the range holds no opening time. Of funding, what lies more than eight hours after a settlement and
 * before the next is missing.
 *
 * @throws RangeError where the key's timeframe is none.
 */
export async function surveyRows(
  kysely: Kysely<Database>,
  key: CoverageKey,
  range: TimeRange,
): Promise<CoverageRange[]> {
  const timeframe = parseTimeframe(key.timeframe);
  const onGrid = toGrid(range, timeframe);
  if (!onGrid) return [];
  const gaps = await findGaps(kysely, key, timeframe, onGrid);
  return [...subtractLists([onGrid], gaps).map(haveRange), ...gaps.map(missingRange)].sort((x, y) => x.since - y.since);
}

async function findGaps(
  kysely: Kysely<Database>,
  { exchange, symbol, metric }: CoverageKey,
  timeframe: Timeframe,
  range: TimeRange,
): Promise<TimeRange[]> {
  if (metric === 'ohlcv') return await findCandleGaps(kysely, { exchange, symbol, timeframe }, range);
  if (metric !== 'funding_rate') {
    const rows = sql`futures_data where exchange = ${exchange} and symbol = ${symbol} and ${sql.ref(metric)} is not null`;
    return await findSlotGaps(kysely, rows, timeframe, range);
  }
  // Of a contract that settles more often, eight hours with a value count as complete.
  const gaps = await findFuturesGaps(kysely, { exchange, symbol }, metric, range, LONGEST_FUNDING_INTERVAL_MS);
  return gaps.map((gap) => toGrid(gap, timeframe)).filter((gap) => gap !== null);
}

/** The range with the same opening times in it, from one to another; null where it holds none. */
function toGrid({ since, until }: TimeRange, timeframe: Timeframe): TimeRange | null {
  return createRange(ceilToTimeframe(since, timeframe), ceilToTimeframe(until, timeframe));
}
