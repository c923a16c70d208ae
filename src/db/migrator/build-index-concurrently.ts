import { sql } from 'kysely';
import { findIndex, isHypertable, tableBytes, type AnyKysely } from '../catalog.ts';

export interface IndexBuild {
  readonly table: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
}

/** Up to this size an index is built under the lock: it takes milliseconds, and nothing has to be waited for. */
const SMALL_TABLE_BYTES = 8 * 1024 * 1024;

/** Whether the table is so large that readers would notice an index being built under the lock. */
export async function isLarge(db: AnyKysely, table: string): Promise<boolean> {
  return (await isHypertable(db, table)) || (await tableBytes(db, table)) > SMALL_TABLE_BYTES;
}

/**
 * Builds an index while its table is read and written. What an earlier run left INVALID is dropped and built again.
 * On a hypertable, which refuses CONCURRENTLY, chunk by chunk in a transaction each. `db` must not be in a transaction.
 */
export async function buildIndexConcurrently(
  db: AnyKysely,
  { table, name, columns, unique }: IndexBuild,
): Promise<void> {
  const found = await findIndex(db, table, name);
  if (found?.valid) return;
  const hypertable = await isHypertable(db, table);
  if (found) await sql`drop index ${hypertable ? sql`` : sql`concurrently`} if exists ${sql.id(name)}`.execute(db);
  await withoutLockTimeout(db, () =>
    sql`
      create ${unique ? sql`unique` : sql``} index ${hypertable ? sql`` : sql`concurrently`} ${sql.id(name)}
      on ${sql.table(table)} (${sql.join(columns.map((column) => sql.id(column)))})
      ${hypertable ? sql`with (timescaledb.transaction_per_chunk)` : sql``}`.execute(db),
  );
}

/**
 * A concurrent build waits for the transactions that were open when it began. That wait keeps no reader or writer out,
 * whereas giving up would throw away the whole build and leave an INVALID index.
 */
async function withoutLockTimeout(db: AnyKysely, run: () => Promise<unknown>): Promise<void> {
  const { rows } = await sql<{ before: string }>`select current_setting('lock_timeout') as before`.execute(db);
  await sql`select set_config('lock_timeout', '0', false)`.execute(db);
  try {
    await run();
  } finally {
    await sql`select set_config('lock_timeout', ${rows[0]?.before ?? '0'}, false)`.execute(db);
  }
}
