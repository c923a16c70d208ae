import { sql, type Kysely } from 'kysely';
import { raiseNotice } from '../migrator/raise-notice.ts';

/**
 * What was called empty on the word of answers that speak only for the time between their rows is asked for again:
 * exchanges that keep only their newest candles, or cut their pages short, said nothing where they had nothing to show.
 * Binance's answers speak for the whole range that was asked for, so what they called empty stays. Rows are untouched.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ exchange: string }>`
    update coverage set state = 'missing', asks = 0, first_asked_at = null, last_asked_at = null, reason = null
    where metric = 'ohlcv' and state = 'confirmed_empty' and exchange <> 'binance'
    returning exchange`.execute(db);
  const exchanges = [...new Set(rows.map(({ exchange }) => exchange))].toSorted();
  if (rows.length > 0)
    await raiseNotice(
      db,
      `${rows.length} ranges of ${exchanges.join(', ')} were called empty without a witness; they are asked for again`,
    );
}

/** Nothing to undo: an older build asks for what is missing too, and calls it empty again by its own rules. */
export async function down(): Promise<void> {
  await Promise.resolve();
}
