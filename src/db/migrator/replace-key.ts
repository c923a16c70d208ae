import { sql } from 'kysely';
import { findIndex, findKey, isHypertable, type AnyKysely } from '../catalog.ts';
import { buildIndexConcurrently, isLarge } from './build-index-concurrently.ts';

export interface KeyReplacement {
  readonly table: string;
  readonly type: 'p' | 'u';
  /** The new constraint's name. */
  readonly name: string;
  readonly columns: readonly string[];
  /** The columns of the key that goes. */
  readonly replaces: readonly string[];
}

/**
 * Replaces a primary key or unique constraint. On a large plain table its index is built CONCURRENTLY first, so that
 * readers and writers are kept out only while the constraints change hands. Hypertables refuse that road (they have no
 * ADD CONSTRAINT … USING INDEX): there the swap builds each chunk's index under the lock.
 *
 * Safe to repeat after having been cut off anywhere. `db` must not be in a transaction.
 */
export async function replaceKey(db: AnyKysely, replacement: KeyReplacement): Promise<void> {
  const { table, type, name, columns, replaces } = replacement;
  const buildName = `${name}_new`;
  const concurrently = !(await isHypertable(db, table)) && (await isLarge(db, table));
  if (concurrently && !(await findKey(db, table, type, columns)))
    await buildIndexConcurrently(db, { table, name: buildName, columns, unique: true });

  await db.transaction().execute(async (trx) => {
    const old = await findKey(trx, table, type, replaces);
    if (old) await sql`alter table ${sql.table(table)} drop constraint ${sql.id(old.name)}`.execute(trx);
    if (await findKey(trx, table, type, columns)) return;
    const built = await findIndex(trx, table, buildName);
    // Cut off while it was built, by a run that met a larger table than this one.
    if (built?.valid === false) await sql`drop index ${sql.id(buildName)}`.execute(trx);
    const keyword = type === 'p' ? sql`primary key` : sql`unique`;
    const source = built?.valid
      ? sql`using index ${sql.id(buildName)}`
      : sql`(${sql.join(columns.map((c) => sql.id(c)))})`;
    await sql`alter table ${sql.table(table)} add constraint ${sql.id(name)} ${keyword} ${source}`.execute(trx);
  });
}
