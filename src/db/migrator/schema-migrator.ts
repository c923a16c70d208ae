import { MigrationError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { findTimescaledb, type AnyKysely } from '../catalog.ts';
import { applyDueSteps, describeDueStep, listDueSteps, planSteps } from './deferrable-steps.ts';
import { readLedger } from './ledger.ts';
import { acquireMigrationLock, findLockHolder, releaseMigrationLock } from './migration-lock.ts';
import { MigrationSession } from './migration-session.ts';
import { loadRevisions, type Revision } from './revisions.ts';
import { runRevision } from './run-revision.ts';
import type { AppliedRevision, SchemaStatus, UpgradePlan, UpgradeResult } from './schema-status.ts';
import { assertMayCreate } from './preflight.ts';

export interface UpgradeOptions {
  /** `head`, a revision's name, or its number. */
  readonly to?: string;
  /** Who asked: `boot`, `cli`, `admin 127.0.0.1`. */
  readonly actor: string;
  /** How long to wait for another process that is migrating; default: as configured. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Called before each revision, counted from 1. */
  readonly onProgress?: (progress: { revision: string; index: number; total: number }) => void;
}

export interface SchemaMigratorDeps {
  /** URL of the role that owns the schema; asked at each use, since the embedded server chooses its port at start. */
  readonly url: () => string;
  readonly lockWaitMs: number;
  readonly logger: Logger;
  /** Another folder of revisions, for tests. */
  readonly revisionsDir?: string;
}

interface Ledger {
  readonly applied: readonly string[];
  readonly pending: readonly Revision[];
  readonly unknown: readonly string[];
}

/** Brings the schema to head, and says where it stands. Every call uses a connection of its own and leaves nothing behind. */
export class SchemaMigrator {
  readonly #deps: SchemaMigratorDeps;

  constructor(deps: SchemaMigratorDeps) {
    this.#deps = deps;
  }

  /** Where the schema stands, read without the lock and without changing anything. */
  async status(): Promise<SchemaStatus> {
    const revisions = await this.#loadRevisions();
    await using session = await this.#open();
    const ledger = await readState(session, revisions);
    const deferred = (await listDueSteps(session.kysely, ledger.applied)).map(describeDueStep);
    return {
      version: versionOf(ledger),
      head: headOf(revisions),
      pending: ledger.pending.map((revision) => revision.name),
      unknown: ledger.unknown,
      deferred,
      timescaledb: (await findTimescaledb(session.kysely))?.version ?? null,
    };
  }

  /** Who is migrating this database right now, as a sentence; null where nobody is. */
  async holder(): Promise<string | null> {
    await using session = await this.#open();
    return (await findLockHolder(session.kysely))?.name ?? null;
  }

  /**
   * What an upgrade to `to` would do.
   *
   * @throws MigrationError REVISION_UNKNOWN or DOWNGRADE_REFUSED.
   */
  async plan({ to = 'head' }: { to?: string }): Promise<UpgradePlan> {
    const revisions = await this.#loadRevisions();
    await using session = await this.#open();
    const ledger = await readState(session, revisions);
    const target = resolveTarget(to, revisions, ledger);
    const names = pendingUpTo(ledger, target).map((revision) => revision.name);
    return {
      revisions: names,
      steps: await planSteps(session.kysely, [...ledger.applied, ...names]),
      version: versionOf(ledger),
      target,
    };
  }

  /**
   * Runs what is pending up to `to`, one transaction per revision, then tries the deferrable steps that are due. At head
   * with nothing to try, nothing is locked and nothing is waited for.
   *
   * @throws MigrationError where a revision fails (the database is as it was before it), the target is unknown or older,
   *   or another process migrates for longer than `waitMs` (UpgradeInProgressError).
   */
  async upgrade({ to = 'head', actor, waitMs, signal, onProgress }: UpgradeOptions): Promise<UpgradeResult> {
    const { logger, lockWaitMs } = this.#deps;
    const revisions = await this.#loadRevisions();
    await using session = await this.#open();
    // A statement in flight knows nothing of our signal; without its connection the server rolls it back.
    const cut = () => session.cut();
    signal?.addEventListener('abort', cut, { once: true });
    try {
      const before = await readState(session, revisions);
      const target = resolveTarget(to, revisions, before);
      if (pendingUpTo(before, target).length === 0 && !(await hasReadyStep(session.kysely, before.applied)))
        return await describeResult(session, revisions, [], []);

      await acquireMigrationLock(session, { waitMs: waitMs ?? lockWaitMs, signal, logger });
      try {
        // Read again: whoever held the lock may have done it all.
        const ledger = await readState(session, revisions);
        const pending = pendingUpTo(ledger, target);
        if (pending.length > 0) await assertMayCreate(session);
        const applied = [...ledger.applied];
        const done: AppliedRevision[] = [];
        for (const [index, revision] of pending.entries()) {
          onProgress?.({ revision: revision.name, index: index + 1, total: pending.length });
          const deadline = Date.now() + lockWaitMs;
          const result = await runRevision(session, revision, { applied, deadline, signal, logger });
          logger.info({ ...result, actor }, 'revision applied');
          applied.push(revision.name);
          done.push(result);
        }
        const { stepsApplied } = await applyDueSteps(session, applied, logger);
        return await describeResult(session, revisions, done, stepsApplied);
      } finally {
        // The session's end would release it too; a session that broke has lost it already.
        await releaseMigrationLock(session).catch(() => undefined);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cut);
    }
  }

  #open(): Promise<MigrationSession> {
    return MigrationSession.open(this.#deps.url(), this.#deps.logger);
  }

  #loadRevisions(): Promise<Revision[]> {
    return loadRevisions(this.#deps.revisionsDir);
  }
}

async function readState(session: MigrationSession, revisions: readonly Revision[]): Promise<Ledger> {
  const applied = await readLedger(session.kysely, session.schema);
  const known = new Set(revisions.map((revision) => revision.name));
  return {
    applied,
    pending: revisions.filter((revision) => !applied.includes(revision.name)),
    unknown: applied.filter((name) => !known.has(name)),
  };
}

async function hasReadyStep(db: AnyKysely, applied: readonly string[]): Promise<boolean> {
  return (await listDueSteps(db, applied)).some(({ state }) => state.state === 'ready');
}

async function describeResult(
  session: MigrationSession,
  revisions: readonly Revision[],
  applied: readonly AppliedRevision[],
  stepsApplied: readonly string[],
): Promise<UpgradeResult> {
  const ledger = await readState(session, revisions);
  return {
    applied,
    steps_applied: stepsApplied,
    deferred: (await listDueSteps(session.kysely, ledger.applied)).map(describeDueStep),
    version: versionOf(ledger),
    head: headOf(revisions),
  };
}

function versionOf(ledger: Ledger): string | null {
  return ledger.applied.at(-1) ?? null;
}

function headOf(revisions: readonly Revision[]): string {
  const head = revisions.at(-1);
  if (!head) throw new MigrationError('this build holds no revisions', { revision: null });
  return head.name;
}

function pendingUpTo(ledger: Ledger, target: string): Revision[] {
  return ledger.pending.filter((revision) => revision.name <= target);
}

/** The revision that `to` means, by name or number. */
function resolveTarget(to: string, revisions: readonly Revision[], ledger: Ledger): string {
  const head = headOf(revisions);
  if (to === 'head') return head;
  const found = revisions.find((revision) => revision.name === to || revision.name.slice(0, 4) === to);
  if (!found)
    throw new MigrationError(
      `there is no revision "${to}": use head, or one of ${revisions.map((revision) => revision.name).join(', ')}`,
      { revision: to, code: 'REVISION_UNKNOWN' },
    );
  const version = versionOf(ledger);
  if (version !== null && found.name < version)
    throw new MigrationError(
      `the database is at ${version}, which is newer than ${found.name}: an upgrade never goes down`,
      { revision: found.name, code: 'DOWNGRADE_REFUSED' },
    );
  return found.name;
}
