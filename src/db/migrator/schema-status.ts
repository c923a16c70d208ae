import { MigrationError } from '../../errors.ts';

/** Where a database's schema stands against this build. Spelled as it is answered in JSON. */
export interface SchemaStatus {
  /** The newest revision that has run; null where none has. */
  readonly version: string | null;
  /** The newest revision of this build. */
  readonly head: string;
  /** The schema (namespace) that holds our tables, or will. */
  readonly schema_name: string;
  /** What has run, oldest first. */
  readonly applied: readonly string[];
  /** Revisions of this build that have not run, oldest first. */
  readonly pending: readonly string[];
  /** Revisions that have run and that this build does not have: the database is newer. */
  readonly unknown: readonly string[];
  /** Revisions whose source is not what was run here: someone edited them since. */
  readonly edited: readonly string[];
  /** Every deferrable step of the revisions that have run. */
  readonly steps: readonly StepStatus[];
  /** Those of them that are still due. */
  readonly deferred: readonly DeferredStep[];
  /** The extension's version in this database; null where it is plain PostgreSQL. */
  readonly timescaledb: string | null;
}

/** What /health shows of it. */
export type SchemaSummary = Omit<SchemaStatus, 'schema_name' | 'applied' | 'steps'>;

/** Leaves out what only someone who asks for the migrations wants to see. */
export function summariseSchema({
  version,
  head,
  pending,
  unknown,
  edited,
  deferred,
  timescaledb,
}: SchemaStatus): SchemaSummary {
  return { version, head, pending, unknown, edited, deferred, timescaledb };
}

/** A deferrable step, judged by the catalog just now. */
export interface StepStatus {
  readonly step: string;
  readonly revision: string;
  readonly state: 'applied' | 'due';
  readonly reason: string | null;
  readonly remedy: string | null;
  /** Whether somebody should do what `remedy` says; on plain PostgreSQL nobody need make hypertables. */
  readonly remedy_needed: boolean;
}

/** A step that its revision could not do yet, found so in the catalog just now. */
export interface DeferredStep {
  readonly step: string;
  readonly revision: string;
  readonly reason: string;
  readonly remedy: string;
}

/** Deferred steps that wait for the same thing, told once: on plain PostgreSQL all hypertables do. */
export function groupDeferred(
  deferred: readonly DeferredStep[],
): { readonly steps: readonly string[]; readonly reason: string; readonly remedy: string }[] {
  const groups = Map.groupBy(deferred, ({ reason, remedy }) => JSON.stringify([reason, remedy]));
  return [...groups.values()].flatMap((group) =>
    group.slice(0, 1).map(({ reason, remedy }) => ({ steps: group.map(({ step }) => step), reason, remedy })),
  );
}

export interface AppliedRevision {
  readonly revision: string;
  readonly duration_ms: number;
  /** What PostgreSQL said while it ran (RAISE NOTICE and its like). */
  readonly notices: readonly string[];
}

export interface UpgradeResult {
  readonly applied: readonly AppliedRevision[];
  /** Deferrable steps that were due before and stand in the catalog now. */
  readonly steps_applied: readonly string[];
  readonly deferred: readonly DeferredStep[];
  readonly version: string | null;
  readonly head: string;
}

/** What an upgrade would do, found without changing anything. */
export interface UpgradePlan {
  readonly revisions: readonly string[];
  readonly steps: readonly PlannedStep[];
  readonly version: string | null;
  readonly target: string;
}

export interface PlannedStep {
  readonly step: string;
  readonly revision: string;
  readonly action: 'apply' | 'defer';
  readonly reason: string | null;
  readonly remedy: string | null;
}

/** Another process is migrating this database. `holder` says who: its application_name, and since when. */
export class UpgradeInProgressError extends MigrationError {
  readonly holder: string;

  constructor(holder: string) {
    super(`another upgrade is running: ${holder}`, { revision: null, code: 'UPGRADE_IN_PROGRESS' });
    this.holder = holder;
  }
}
