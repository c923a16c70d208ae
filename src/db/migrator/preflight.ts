import { sql } from 'kysely';
import { MigrationError } from '../../errors.ts';
import type { MigrationSession } from './migration-session.ts';

/**
 * Before anything is run: may this role create tables in our schema?
 *
 * @throws MigrationError with the statement that grants it. (Since PostgreSQL 15 ordinary roles may not create in public.)
 */
export async function assertMayCreate(session: MigrationSession): Promise<void> {
  const { rows } = await sql<{ role: string; schema: string; allowed: boolean }>`
    select quote_ident(current_user) as role, quote_ident(${session.schema}) as schema,
      has_schema_privilege(${session.schema}, 'CREATE') as allowed`.execute(session.kysely);
  const [found] = rows;
  if (!found || found.allowed) return;
  throw new MigrationError(
    `the role ${found.role} may not create tables in the schema ${found.schema}. As the database's owner: grant usage, create on schema ${found.schema} to ${found.role}; or set MIGRATION_DATABASE_URL to a role that may`,
    { revision: null, code: 'NO_CREATE_RIGHT' },
  );
}
