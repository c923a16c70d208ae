import { MigrationError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { recogniseOrigin } from './adoption.ts';
import { applyReadySteps, planSteps, probeSteps, type ProbedStep } from './deferrable-steps.ts';
import { describeSchema } from './describe-schema.ts';
import {
  closeInterrupted,
  ensureHistory,
  hasOpenEntry,
  listHistory,
  recordHistory,
  type HistoryEntry,
} from './history.ts';
import { pendingUpTo, readState, resolveTarget, versionOf, type SchemaState } from './schema-state.ts';
import { withMigrationLock } from './migration-lock.ts';
import { MigrationSession } from './migration-session.ts';
import { EXPECTED_RELATIONS } from './expected-schema.ts';
import { assertMayCreate, assertOwnsTables } from './preflight.ts';
import { loadRevisions, type Revision } from './revisions.ts';
import { runDown } from './run-down.ts';
import { runRevision } from './run-revision.ts';
import { grantMissing, listMissingGrants } from './runtime-grants.ts';
import type { AppliedRevision, SchemaStatus, UpgradePlan, UpgradeResult } from './schema-status.ts';

export interface UpgradeOptions {
  /** `head`, a revision's name, or its number. */
  readonly to?: string;
  /** Who asked: `boot`, `cli`, `admin`. */
  readonly actor: string;
  /** Also makes hypertables of large plain tables, which nobody can read meanwhile. Default: false. */
  readonly convertLargeTables?: boolean;
  /** How long to wait for another process that is migrating; default: as configured. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Called before each revision, counted from 1. */
  readonly onProgress?: (progress: { revision: string; index: number; total: number }) => void;
}

export type PlanOptions = Pick<UpgradeOptions, 'to' | 'convertLargeTables'>;

export interface SchemaMigratorDeps {
  /** URL of the role that owns the schema; asked at each use, since the embedded server chooses its port at start. */
  readonly url: () => string;
  /** The role that runs the service, which is granted what it needs; null where it is the owner itself. */
  readonly runtimeRole?: string | null;
  readonly lockWaitMs: number;
  readonly logger: Logger;
  /** Another folder of revisions, for tests. */
  readonly revisionsDir?: string;
}

/**
 * Brings the schema to head, and says where it stands. Every call uses a connection of its own and leaves nothing
 * behind.
 */
export class SchemaMigrator {
  readonly #deps: SchemaMigratorDeps;

  constructor(deps: SchemaMigratorDeps) {
    this.#deps = deps;
  }

  /**
   * Loads the revisions ahead, so that it costs nothing while the database is waited for. A failure shows when they are
   * used.
   */
  async preload(): Promise<void> {
    await this.#loadRevisions().catch(() => undefined);
  }

  /** Where the schema stands, read without the lock and without changing anything. */
  async status(): Promise<SchemaStatus> {
    const revisions = await this.#loadRevisions();
    await using session = await this.#open();
    return await describeSchema(session, revisions);
  }

  /** What was done to this database, newest first. */
  async history(limit: number): Promise<HistoryEntry[]> {
    await using session = await this.#open();
    return await listHistory(session, limit);
  }

  /**
   * What an upgrade to `to` would do.
   *
   * @throws as `upgrade` does, but for what only running it can show.
   */
  async plan({ to = 'head', convertLargeTables = false }: PlanOptions): Promise<UpgradePlan> {
    const revisions = await this.#loadRevisions();
    await using session = await this.#open();
    const state = await readState(session, revisions);
    const target = resolveTarget(to, revisions, state);
    if (state.applied.length === 0) await recogniseOrigin(session.kysely, session.schema);
    const names = pendingUpTo(state, target).map((revision) => revision.name);
    return {
      revisions: names,
      steps: await planSteps(session.kysely, [...state.applied, ...names], {
        convertLargeTables,
        planned: names,
      }),
      version: versionOf(state),
      target,
    };
  }

  /**
   * Runs what is pending up to `to`, one transaction per revision, then tries the deferrable steps that are ready and
   * grants the runtime role what it lacks. With nothing to do, nothing is locked and nothing is waited for.
   *
   * @throws MigrationError where a revision fails (the database is as it was before it), the target is unknown or older,
   *   or another process migrates for longer than `waitMs` (UpgradeInProgressError); SchemaMismatchError where the
   *   database holds tables of ours that neither we nor the predecessor made.
   */
  async upgrade(options: UpgradeOptions): Promise<UpgradeResult> {
    return (await this.upgradeAndDescribe(options)).result;
  }

  /** `upgrade`, and where the schema stands after it, on the same connection: a start looks no more often than it must. */
  async upgradeAndDescribe(options: UpgradeOptions): Promise<{ result: UpgradeResult; status: SchemaStatus }> {
    const { to = 'head', actor, convertLargeTables = false, signal, onProgress } = options;
    const { logger, lockWaitMs } = this.#deps;
    const loading = this.#loadRevisions();
    // It may fail before anybody waits for it.
    loading.catch(() => undefined);
    return await this.#withSession(signal, async (session) => {
      const revisions = await loading;
      const before = await readState(session, revisions);
      const target = resolveTarget(to, revisions, before);
      const done: AppliedRevision[] = [];
      const stepsApplied: string[] = [];
      const steps = await probeSteps(session.kysely, before.applied, { convertLargeTables });
      const hasWork = pendingUpTo(before, target).length > 0 || (await this.#hasWork(session, steps));
      if (hasWork) {
        await withMigrationLock(session, { waitMs: options.waitMs ?? lockWaitMs, signal, logger }, async () => {
          // Read again: whoever held the lock may have done it all.
          const state = await readState(session, revisions);
          const pending = pendingUpTo(state, target);
          const applied = [...state.applied];
          await this.#prepare(session, state, pending, actor);
          for (const [index, revision] of pending.entries()) {
            onProgress?.({ revision: revision.name, index: index + 1, total: pending.length });
            const subject = { action: 'up', subject: revision.name, checksum: revision.checksum, actor } as const;
            const { durationMs, notices } = await recordHistory(session, subject, () =>
              runRevision(session, revision, { applied, deadline: Date.now() + lockWaitMs, signal, logger }),
            );
            logger.info({ revision: revision.name, duration_ms: durationMs, notices, actor }, 'revision applied');
            applied.push(revision.name);
            done.push({ revision: revision.name, duration_ms: durationMs, notices });
          }
          const run = { applied, actor, options: { convertLargeTables }, signal, logger };
          stepsApplied.push(...(await applyReadySteps(session, run)));
          await this.#grant(session);
        });
      }
      const status = await describeSchema(session, revisions, hasWork ? null : steps);
      const { deferred, version, head } = status;
      return { result: { applied: done, steps_applied: stepsApplied, deferred, version, head }, status };
    });
  }

  /**
   * Goes back to an older revision, newest first, one transaction per revision. Only ever on an explicit command.
   *
   * @returns the revisions that were undone.
   * @throws MigrationError DOWNGRADE_REFUSED, before anything is changed, where one of them has no way back.
   */
  async downgrade({ to, actor, signal }: { to: string; actor: string; signal?: AbortSignal }): Promise<string[]> {
    const { logger, lockWaitMs } = this.#deps;
    const revisions = await this.#loadRevisions();
    return await this.#withSession(signal, (session) =>
      withMigrationLock(session, { waitMs: lockWaitMs, signal, logger }, async () => {
        const state = await readState(session, revisions);
        await ensureHistory(session);
        await closeInterrupted(session, state.applied);
        return await runDown(session, { to, actor, revisions, state, logger });
      }),
    );
  }

  async #hasWork(session: MigrationSession, steps: readonly ProbedStep[]): Promise<boolean> {
    if (steps.some(({ state }) => state.state === 'ready')) return true;
    if ((await this.#listMissingGrants(session)).length > 0) return true;
    // A process that was killed right after its last commit left its entry for somebody to close.
    return !session.isPooled && (await hasOpenEntry(session));
  }

  /** Everything that must be known and noted before the first statement changes something. */
  async #prepare(session: MigrationSession, state: SchemaState, pending: Revision[], actor: string): Promise<void> {
    if (pending.length > 0) {
      await assertMayCreate(session);
      await assertOwnsTables(session, Object.keys(EXPECTED_RELATIONS));
    }
    const origin = state.applied.length === 0 ? await recogniseOrigin(session.kysely, session.schema) : null;
    await ensureHistory(session);
    await closeInterrupted(session, state.applied);
    if (origin === null || origin.kind === 'empty') return;
    const kind = origin.kind === 'alembic' ? `alembic ${origin.version}` : 'docker/init.sql';
    this.#deps.logger.info({ origin: kind }, 'a database of the predecessor is taken over with all its rows');
    await recordHistory(session, { action: 'adopt', subject: kind, checksum: null, actor }, () => Promise.resolve());
  }

  async #listMissingGrants(session: MigrationSession): Promise<string[]> {
    const { runtimeRole } = this.#deps;
    return runtimeRole ? await listMissingGrants(session.kysely, session.schema, runtimeRole) : [];
  }

  async #grant(session: MigrationSession): Promise<void> {
    const { runtimeRole, logger } = this.#deps;
    const missing = await this.#listMissingGrants(session);
    if (!runtimeRole || missing.length === 0) return;
    await session.kysely.transaction().execute((trx) => grantMissing(trx, runtimeRole, missing));
    logger.info({ role: runtimeRole, granted: missing }, 'the runtime role was granted what it lacked');
  }

  async #withSession<T>(signal: AbortSignal | undefined, work: (session: MigrationSession) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    await using session = await this.#open();
    // A statement in flight knows nothing of our signal; without its connection the server rolls it back.
    const cut = () => session.cut();
    signal?.addEventListener('abort', cut, { once: true });
    try {
      return await work(session);
    } catch (error) {
      signal?.throwIfAborted();
      throw session.explain(error);
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

/** The role that an upgrade grants to: the runtime URL's, where the schema belongs to another. */
export function findRuntimeRole(runtimeUrl: string | null, migrationUrl: string | null): string | null {
  if (runtimeUrl === null || migrationUrl === null) return null;
  const runtime = decodeURIComponent(new URL(runtimeUrl).username);
  const owner = decodeURIComponent(new URL(migrationUrl).username);
  if (runtime === '' || runtime === owner) return null;
  if (owner === '') throw new MigrationError('MIGRATION_DATABASE_URL names no role', { revision: null });
  return runtime;
}
