import { Migrator, type Migration } from 'kysely/migration';
import { MigrationError, messageOf, sqlStateOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { withLockRetries } from './lock-retry.ts';
import type { MigrationSession } from './migration-session.ts';
import type { Revision } from './revisions.ts';

export interface RunOptions {
  /** Names of what has run, which Kysely wants to know although they will not run. */
  readonly applied: readonly string[];
  /** After this moment (epoch ms) a lock that is still held fails the revision. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
  readonly logger: Logger;
}

/**
 * Runs one revision through Kysely's Migrator in a transaction of its own (or, where it says so, in its own steps),
 * with its row in the migration table. A lock that cannot be had within the session's lock_timeout is tried for again,
 * with waits in which everyone else gets through.
 *
 * @throws MigrationError with the revision and the statement's error; the database is as it was before the revision.
 */
export async function runRevision(
  session: MigrationSession,
  revision: Revision,
  { applied, deadline, signal, logger }: RunOptions,
): Promise<void> {
  await session.announce(revision.name);
  try {
    await withLockRetries(session, { subject: revision.name, deadline, signal, logger }, () =>
      migrateOnce(session, revision, applied),
    );
  } catch (error) {
    throw describeFailure(revision.name, session.explain(error));
  }
}

async function migrateOnce(session: MigrationSession, revision: Revision, applied: readonly string[]): Promise<void> {
  session.takeNotices();
  // Exactly this revision can be pending: Kysely is shown it and what has run. Revisions of a newer build, which are in
  // the migration table but not in this tree, must be shown too; they are never called.
  const known: Record<string, Migration> = { [revision.name]: revision.migration };
  for (const name of applied) known[name] = { up: () => Promise.resolve() };
  const migrator = new Migrator({
    db: session.kysely,
    provider: { getMigrations: () => Promise.resolve(known) },
    migrationTableSchema: session.schema,
    // Order is ours to decide, by name; Kysely would go by the clocks of the machines that ran them.
    allowUnorderedMigrations: true,
    disableTransactions: !revision.transaction,
  });
  const { error } = await migrator.migrateTo(revision.name);
  if (error !== undefined)
    throw error instanceof Error ? error : new Error('a revision threw what is no error', { cause: error });
}

/** What to do about the errors that a revision can be expected to meet. */
const ADVICE: Record<string, string> = {
  '42501': 'run it as the role that owns the tables (MIGRATION_DATABASE_URL), or grant that role what is missing',
  '2BP01':
    'objects of your own are built on what it replaces (the message names them): drop them, upgrade, and create them again',
  '0A000':
    'objects of your own use the columns that it changes (the message names them), or the hypertable holds compressed chunks: drop them (or decompress the chunks with decompress_chunk), upgrade, and make them again',
  '55P03': 'end the sessions that hold the lock (see the blockers above), or upgrade at a quieter time',
  '53100': 'the disk of the database server is full: make room, then start again',
  '57P01': 'the connection was ended by an administrator: start again',
};

function describeFailure(revision: string, error: unknown): Error {
  const state = sqlStateOf(error);
  const advice =
    ADVICE[state ?? ''] ?? 'mend what the message says, then start again: what was not finished was rolled back';
  const code = state === null ? '' : ` (SQLSTATE ${state})`;
  return new MigrationError(
    `revision ${revision} failed: ${messageOf(error)}${detailOf(error)}${code}. What to do: ${advice}`,
    {
      revision,
      cause: error,
    },
  );
}

/** PostgreSQL names the objects in question in the detail of its error, not in the message. */
function detailOf(error: unknown): string {
  return error instanceof Error && 'detail' in error && typeof error.detail === 'string' ? ` (${error.detail})` : '';
}
