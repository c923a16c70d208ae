import { sql } from 'kysely';
import { findIndex, type AnyKysely } from '../catalog.ts';
import { buildIndexConcurrently, isLarge } from './build-index-concurrently.ts';

export interface IndexReplacement {
  readonly table: string;
  readonly name: string;
  /** All ascending. */
  readonly columns: readonly string[];
}

/**
 * Gives the index `name` other columns or directions: builds the new one beside it, then drops and renames in one
 * transaction, so that queries always have one of the two. Safe to repeat after having been cut off anywhere.
 * `db` must not be in a transaction.
 */
export async function replaceIndex(db: AnyKysely, { table, name, columns }: IndexReplacement): Promise<void> {
  const current = await findIndex(db, table, name);
  if (current?.valid && current.columns === columns.join(', ')) return;
  const buildName = `${name}_new`;
  if (await isLarge(db, table)) await buildIndexConcurrently(db, { table, name: buildName, columns, unique: false });
  await db.transaction().execute(async (trx) => {
    await sql`drop index if exists ${sql.id(name)}`.execute(trx);
    const built = await findIndex(trx, table, buildName);
    // Cut off while it was built, by a run that met a larger table than this one.
    if (built?.valid === false) await sql`drop index ${sql.id(buildName)}`.execute(trx);
    await (
      built?.valid
        ? sql`alter index ${sql.id(buildName)} rename to ${sql.id(name)}`
        : sql`create index ${sql.id(name)} on ${sql.table(table)} (${sql.join(columns.map((column) => sql.id(column)))})`
    ).execute(trx);
  });
}
