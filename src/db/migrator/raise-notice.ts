import { sql } from 'kysely';
import type { AnyKysely } from '../catalog.ts';

/** Makes PostgreSQL say something to this session, so that it reaches whoever collects a revision's notices. */
export async function raiseNotice(db: AnyKysely, message: string): Promise<void> {
  const literal = `'${message.replaceAll("'", "''")}'`;
  await sql`do ${sql.lit(`begin raise notice '%', ${literal}; end`)}`.execute(db);
}
