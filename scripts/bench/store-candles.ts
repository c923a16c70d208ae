import type { Repositories } from '../../src/db/repositories/index.ts';
import type { Candle } from '../../src/market/candle.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import type { Series } from '../../src/market/instrument.ts';

/** What one transaction of an import writes. */
const STEP_ROWS = 20_000;

/** Stores any number of candles as an import does, in steps. */
export async function storeCandles(
  { commit }: Pick<Repositories, 'commit'>,
  series: Series,
  candles: readonly Candle[],
): Promise<void> {
  for (let start = 0; start < candles.length; start += STEP_ROWS)
    await commit([candleEntry(series, candles.slice(start, start + STEP_ROWS))]);
}
