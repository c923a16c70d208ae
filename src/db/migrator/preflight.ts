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

/**
 * Before anything is run: does this role own the tables that stand?
 *
 * @param tables names of ours; those that do not stand do not count.
 * @throws MigrationError that names the owner, before anything was changed.
 */
export async function assertOwnsTables(session: MigrationSession, tables: readonly string[]): Promise<void> {
  const { rows } = await sql<{ name: string; owner: string; role: string }>`
    select c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner, current_user::text as role
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${session.schema} and c.relname = any(${[...tables]}::text[]) and c.relkind in ('r', 'm', 'p')
      and not pg_has_role(current_user, c.relowner, 'USAGE')
    order by c.relname`.execute(session.kysely);
  const [first] = rows;
  if (!first) return;
  throw new MigrationError(
    `the role ${first.role} does not own ${rows.map(({ name }) => name).join(', ')}; ${first.owner} does: run the upgrade as ${first.owner} (MIGRATION_DATABASE_URL). Nothing was changed`,
    { revision: null, code: 'NOT_OWNER' },
  );
}
