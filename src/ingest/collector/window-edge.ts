import { EARLIEST_MS } from '../../market/candle.ts';
import { alignRanges, type CoverageKey, type CoverageRange } from '../../market/coverage.ts';
import { createRange, type TimeRange } from '../../market/time-range.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import type { CoverageStore, IngestStores } from './ports.ts';
import { UNFRAMED_REASONS } from './unframed-reasons.ts';

/** What was wanted once and lies before what is configured to be kept; wanted again when the window reaches it. */
const BEFORE_WINDOW = 'it lies before the window that is configured to be kept';

/**
 * The window moves on, and a restart or another replica begins where it is by then: what was still missing at its old
 * edge must neither stay missing for ever nor be lost inside stored data. What lies before all that is stored is noted
 * as given up.
 *
 * @returns from where on to look: the oldest hole in what is stored before the window, else where the window begins.
 */
export async function settleWindowEdge(
  stores: Pick<IngestStores, 'commit'> & { readonly coverage: Pick<CoverageStore, 'list' | 'listMissing'> },
  key: CoverageKey,
  windowSince: number,
): Promise<number> {
  const before = createRange(EARLIEST_MS, windowSince);
  const missing = before ? await stores.coverage.listMissing(key, before) : [];
  if (!before || missing.length === 0) return windowSince;
  const firstHave = (await stores.coverage.list(key, before)).find(({ state }) => state === 'have')?.since ?? Infinity;
  const forgotten = missing.filter(({ since }) => since < firstHave);
  if (forgotten.length > 0)
    await stores.commit([
      {
        key,
        rows: [],
        changes: alignRanges(forgotten, parseTimeframe(key.timeframe)).map((range) => ({
          ...range,
          state: 'out_of_window',
          reason: BEFORE_WINDOW,
        })),
        quarantine: [],
      },
    ]);
  return missing.find(({ since }) => since > firstHave)?.since ?? windowSince;
}

/**
 * The parts of the window that were given up while they lay before it, or because the exchange told nothing before its
 * first row: perhaps it does by now.
 */
export function listRegained(ranges: readonly CoverageRange[]): TimeRange[] {
  const reasons: readonly (string | null)[] = [BEFORE_WINDOW, UNFRAMED_REASONS.edge];
  return ranges.filter(({ state, reason }) => state === 'out_of_window' && reasons.includes(reason));
}
