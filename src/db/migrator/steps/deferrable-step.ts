import { sql } from 'kysely';
import type { AnyKysely } from '../../catalog.ts';

/**
 * Where a step stands, read off the catalog: `applied` (what it makes is there), `ready` (it can be made now) or
 * `blocked` (something stands in its way).
 */
export type StepState =
  { readonly state: 'applied' } | { readonly state: 'ready' } | ({ readonly state: 'blocked' } & Block);

/** What stands in a step's way, and what to do about it. */
export interface Block {
  readonly reason: string;
  readonly remedy: string;
  /** Whether somebody should do it: false where all is well without the step, and where another step says what to do. */
  readonly isRemedyNeeded: boolean;
}

/** What a step may take for granted. */
export interface StepOptions {
  /** Tables so large that readers would be kept out for long may be converted: somebody said so. Default: false. */
  readonly convertLargeTables?: boolean;
  /**
   * Judge as if the timescaledb extension were there already, as a plan does that begins with making it. Default:
   * false.
   */
  readonly assumeTimescaledb?: boolean;
  /** Revisions that a plan would run first: judge as if what they do to the keys were done. Default: none. */
  readonly planned?: readonly string[];
}

/**
 * Part of a revision that may have to wait: for an extension, a privilege, or data to be mended. It is judged by the
 * catalog, never by a flag, and tried again at every boot and upgrade until it stands.
 */
export interface DeferrableStep {
  /** Lower case with underscores, as shown in /health. */
  readonly name: string;
  /** The revision that must have run before it can be tried. */
  readonly revision: string;
  /** It may end the connection that it runs on, and so gets one of its own. */
  readonly ownSession: boolean;
  /** The unique constraint that it makes, which nobody may ask for while it is due; null where it makes none. */
  readonly makesKey: { readonly table: string; readonly columns: readonly string[] } | null;
  probe(db: AnyKysely, options?: StepOptions): Promise<StepState>;
  /** Makes it. Called when `probe` said `ready`; may still fail, which leaves it due. */
  apply(db: AnyKysely): Promise<void>;
}

/** `blocked` where the current role does not own the table and so may not alter it; otherwise null. */
export async function findOwnershipBlock(db: AnyKysely, table: string): Promise<StepState | null> {
  const { rows } = await sql<{ role: string; owner: string }>`
    select current_user::text as role, pg_get_userbyid(relowner)::text as owner from pg_class
    where oid = to_regclass(${table}) and not pg_has_role(current_user, relowner, 'USAGE')`.execute(db);
  const [found] = rows;
  if (!found) return null;
  return {
    state: 'blocked',
    reason: `the role ${found.role} does not own ${table}; ${found.owner} does`,
    remedy: `run the upgrade as ${found.owner} (MIGRATION_DATABASE_URL), or as a superuser: alter table ${table} owner to ${found.role}`,
    isRemedyNeeded: true,
  };
}
