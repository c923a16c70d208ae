import type { CoverageKey, CoverageRange } from '../../market/coverage.ts';
import type { IngestStores, SeriesCandles } from './ports.ts';
import { toQuarantine } from './rejected-rows.ts';
import type { SourcePage } from './source.ts';

/** What one answer, or one batch of the live stream, did. */
export interface AnswerTally {
  /** Rows: read, new, changed, refused. */
  readonly read: number;
  readonly stored: number;
  readonly revised: number;
  readonly quarantined: number;
  /** The candles among the rows read, by series; they are committed. */
  readonly candles: readonly SeriesCandles[];
}

/**
 * Writes the rows of an answer before `until`, what follows from it for the ledger, and its refused rows: all or nothing.
 *
 * @returns how many rows are new, changed and refused.
 */
export async function storeAnswer(
  stores: IngestStores,
  key: CoverageKey,
  page: SourcePage,
  until: number,
  changes: readonly CoverageRange[],
): Promise<Omit<AnswerTally, 'read'>> {
  const refused = toQuarantine(key, page.rejected, 'rest');
  return await stores.withTransaction(async (transaction) => {
    const { inserted, updated, candles } = await page.store(transaction, until);
    if (changes.length > 0) await transaction.coverage.record(key, changes);
    if (refused.length > 0) await transaction.quarantine.add(refused);
    // An hour of futures data is filled by several calls: taking in another metric rewrites nothing.
    const isRewritten = key.metric === 'ohlcv';
    return {
      stored: isRewritten ? inserted : inserted + updated,
      revised: isRewritten ? updated : 0,
      quarantined: refused.length,
      candles: candles ? [candles] : [],
    };
  });
}
