import type { Repositories } from '../../src/db/repositories/index.ts';
import type { Candle, WriteCounts } from '../../src/market/candle.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import type { Series } from '../../src/market/instrument.ts';

/** What one transaction of an import writes. */
const STEP_ROWS = 20_000;

/** Stores any number of candles, with their word for the ledger, in steps as an import does; the counts of all steps. */
export async function storeCandles(
  { commit }: Pick<Repositories, 'commit'>,
  series: Series,
  candles: readonly Candle[],
): Promise<WriteCounts> {
  const total = { inserted: 0, updated: 0, unchanged: 0 };
  for (let start = 0; start < candles.length; start += STEP_ROWS) {
    const counts = await commit([candleEntry(series, candles.slice(start, start + STEP_ROWS))]);
    total.inserted += counts.inserted;
    total.updated += counts.updated;
    total.unchanged += counts.unchanged;
  }
  return total;
}
