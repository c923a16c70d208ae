import { MigrationError } from '../../errors.ts';
import type { MigrationSession } from './migration-session.ts';
import { listAppliedRevisions } from './migration-table.ts';
import type { Revision } from './revisions.ts';

/** What has run, held against the revisions of this build. */
export interface SchemaState {
  /** What has run, sorted; also what this build does not know. */
  readonly applied: readonly string[];
  readonly pending: readonly Revision[];
  readonly unknown: readonly string[];
}

/** Reads the migration table; takes no lock. */
export async function readState(session: MigrationSession, revisions: readonly Revision[]): Promise<SchemaState> {
  const applied = await listAppliedRevisions(session.kysely, session.schema);
  const known = new Set(revisions.map((revision) => revision.name));
  return {
    applied,
    pending: revisions.filter((revision) => !applied.includes(revision.name)),
    unknown: applied.filter((name) => !known.has(name)),
  };
}

/** The newest revision that has run; null where none has. */
export function versionOf(state: SchemaState): string | null {
  return state.applied.at(-1) ?? null;
}

/** The newest revision of this build. */
export function headOf(revisions: readonly Revision[]): string {
  const head = revisions.at(-1);
  if (!head) throw new MigrationError('this build holds no revisions', { revision: null });
  return head.name;
}

/**
 * The pending revisions up to and with `target`, oldest first.
 *
 * @throws MigrationError REVISION_UNFILLED where one of them is a template that nobody has written: then none may run.
 */
export function pendingUpTo(state: SchemaState, target: string): Revision[] {
  const pending = state.pending.filter((revision) => revision.name <= target);
  for (const revision of pending) {
    const unfilled = describeUnfilled(revision);
    if (unfilled !== null)
      throw new MigrationError(`${unfilled}. Nothing was run`, { revision: revision.name, code: 'REVISION_UNFILLED' });
  }
  return pending;
}

/** Of a revision that is a template still: where, and what to do. Null for one that somebody has written. */
export function describeUnfilled({ name, unfilledLines: lines }: Revision): string | null {
  const last = lines.at(-1);
  if (last === undefined) return null;
  const place = lines.length === 1 ? `line ${last}` : `lines ${lines.slice(0, -1).join(', ')} and ${last}`;
  return `the revision ${name} is not written: the template's text still stands in src/db/migrations/${name}.ts (${place}). Write it, or remove the file`;
}

/**
 * The revision that `to` means: `head`, a name, or a number.
 *
 * @throws MigrationError REVISION_UNKNOWN.
 */
export function findRevision(to: string, revisions: readonly Revision[]): string {
  if (to === 'head') return headOf(revisions);
  const found = revisions.find((revision) => revision.name === to || revision.name.slice(0, 4) === to);
  if (found) return found.name;
  throw new MigrationError(
    `there is no revision "${to}": use head, or one of ${revisions.map((revision) => revision.name).join(', ')}`,
    { revision: to, code: 'REVISION_UNKNOWN' },
  );
}

/**
 * The revision that an upgrade to `to` ends at.
 *
 * @throws MigrationError REVISION_UNKNOWN, or DOWNGRADE_REFUSED where the database is past it.
 */
export function resolveTarget(to: string, revisions: readonly Revision[], state: SchemaState): string {
  const target = findRevision(to, revisions);
  const version = versionOf(state);
  if (to === 'head' || version === null || target >= version) return target;
  throw new MigrationError(
    `the database is at ${version}, which is newer than ${target}: an upgrade never goes down (npm run db-downgrade does, where a revision has a way back)`,
    { revision: target, code: 'DOWNGRADE_REFUSED' },
  );
}
