import { sql } from 'kysely';
import { MigrationError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { recordHistory } from './history.ts';
import { MIGRATION_TABLE } from './migration-table.ts';
import type { MigrationSession } from './migration-session.ts';
import type { Revision } from './revisions.ts';
import { findRevision, type SchemaState } from './schema-state.ts';

export interface DownRun {
  readonly to: string;
  readonly actor: string;
  readonly revisions: readonly Revision[];
  readonly state: SchemaState;
  readonly logger: Logger;
}

/**
 * Undoes the revisions after `to`, newest first, each in one transaction with its row in the migration table. The lock
 * is held.
 *
 * @throws MigrationError DOWNGRADE_REFUSED, before anything is changed, where one of them is unknown to this build or has
 *   no `down`.
 */
export async function runDown(session: MigrationSession, run: DownRun): Promise<string[]> {
  const { to, actor, revisions, state, logger } = run;
  const target = findRevision(to, revisions);
  const undone = state.applied.filter((name) => name > target).toReversed();
  const steps = undone.map((name) => {
    const revision = revisions.find((candidate) => candidate.name === name);
    if (revision?.migration.down) return revision;
    throw new MigrationError(
      `${name} has no way back${revision ? '' : ' in this build'}: restore a backup of before it, or stay`,
      { revision: name, code: 'DOWNGRADE_REFUSED' },
    );
  });
  for (const { name, checksum, migration } of steps) {
    await session.announce(`down ${name}`);
    try {
      await recordHistory(session, { action: 'down', subject: name, checksum, actor }, () =>
        session.kysely.transaction().execute(async (trx) => {
          await migration.down?.(trx);
          await sql`delete from ${sql.table(`${session.schema}.${MIGRATION_TABLE}`)} where name = ${name}`.execute(trx);
        }),
      );
    } catch (error) {
      throw new MigrationError(`undoing ${name} failed: ${messageOf(error)}. The database is as before it`, {
        revision: name,
        cause: error,
      });
    }
    logger.warn({ revision: name, actor }, 'revision undone');
  }
  return undone;
}
