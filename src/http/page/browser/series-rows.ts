import { nameKey, type CoverageSummary, type SeriesObject, type SlotCounts } from './answers.ts';
import { countSettled } from './figures.ts';
import type { Tone } from './judge-health.ts';
import { MINUTE_MS, lagOf, timeframeLength } from './moments.ts';

/** A series as the table shows and sorts it. */
export interface SeriesRow {
  readonly key: string;
  readonly series: SeriesObject;
  /** null where the ledger says nothing of it yet. */
  readonly slots: SlotCounts | null;
  /** The share of its opening times that is settled, 0 to 1; null where that is not known. */
  readonly share: number | null;
  /** How long a closed candle has been awaited, in milliseconds; null where nothing is stored. */
  readonly lagMs: number | null;
  readonly tone: Tone;
}

/** The columns by which the table sorts. */
export type SortColumn = 'name' | 'share' | 'lag' | 'close';

/** Joins what is known of the series. */
export function createRows(
  series: readonly SeriesObject[],
  summaries: readonly CoverageSummary[],
  nowMs: number,
): SeriesRow[] {
  const slotsOf = new Map(summaries.map((summary) => [nameKey(summary), summary.slots]));
  return series.map((entry) => {
    const key = nameKey(entry);
    const slots = slotsOf.get(key) ?? null;
    const counted = slots === null ? null : countSettled(slots);
    const lagMs = entry.last === null ? null : lagOf(Date.parse(entry.last), entry.timeframe, nowMs);
    return {
      key,
      series: entry,
      slots,
      share: counted === null || counted.total === 0 ? null : counted.settled / counted.total,
      lagMs,
      tone: judgeSeries(entry, lagMs),
    };
  });
}

/** A minute after its close a candle is late; the service calls a series behind by its own measure. */
const LATE_MS = MINUTE_MS;

function judgeSeries({ state, last_error }: SeriesObject, lagMs: number | null): Tone {
  if (state === 'refused') return 'bad';
  if (state === 'behind' || last_error !== null) return 'warn';
  if (state === 'stored' || state === 'backfilling') return 'quiet';
  return lagMs !== null && lagMs > LATE_MS ? 'warn' : 'good';
}

/** What a tone means for a series, for a person who does not see colours. */
export function describeState({ series, lagMs }: SeriesRow): string {
  if (series.last_error !== null) return `${series.state}: ${series.last_error}`;
  if (series.state === 'stored') return 'stored, not collected by this process';
  if (series.state === 'backfilling') return 'its history is being filled';
  if (series.state === 'complete' && lagMs !== null && lagMs > LATE_MS) return 'a closed candle is awaited';
  return series.state;
}

/** The rows that hold every word of the filter, in order. What is not known comes last in both directions. */
export function arrangeRows(
  rows: readonly SeriesRow[],
  { column, isDescending, filter }: { column: SortColumn; isDescending: boolean; filter: string },
): SeriesRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const sign = isDescending ? -1 : 1;
  return rows
    .filter(({ key, series }) => words.every((word) => `${key} ${series.state}`.toLowerCase().includes(word)))
    .sort((a, b) => {
      if (column === 'name') return sign * compareNames(a, b);
      const [left, right] = [valueOf(a, column), valueOf(b, column)];
      if (left === null || right === null) return Number(left === null) - Number(right === null) || compareNames(a, b);
      return sign * (left - right) || compareNames(a, b);
    });
}

function valueOf({ share, lagMs, series }: SeriesRow, column: Exclude<SortColumn, 'name'>): number | null {
  if (column === 'share') return share;
  if (column === 'lag') return lagMs;
  return series.last_close === null ? null : Number(series.last_close);
}

/** By symbol, then exchange, then length of the timeframe: the timeframes of one market stand together. */
function compareNames({ series: a }: SeriesRow, { series: b }: SeriesRow): number {
  return (
    a.symbol.localeCompare(b.symbol, 'en') ||
    a.exchange.localeCompare(b.exchange, 'en') ||
    timeframeLength(a.timeframe) - timeframeLength(b.timeframe)
  );
}
