import { z } from 'zod';
import type { HistoryEntry } from '../../db/migrator/history.ts';
import type { SchemaStatus, UpgradePlan, UpgradeResult } from '../../db/migrator/schema-status.ts';
import type { Logger } from '../../logger.ts';
import type { AdminAuth } from '../protocol/admin-auth.ts';
import { RequestError } from '../protocol/errors.ts';
import type { HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { assertRunning, assertUpgradable } from '../health/phase-gate.ts';
import { deferredStep } from '../health/health-schema.ts';
import { describeRoute } from '../protocol/route-schema.ts';
import { moment } from '../../market/moment-schema.ts';

/** What the routes need of the migrator. */
export interface SchemaPort {
  /** Where the database stands, looked up now. */
  status(): Promise<SchemaStatus>;
  /** What was done to it, newest first. */
  history(limit: number): Promise<HistoryEntry[]>;
  /**
   * Brings the database to `to` (`head` or a revision).
   *
   * @throws MigrationError with code REVISION_UNKNOWN, REVISION_UNFILLED, DOWNGRADE_REFUSED or MIGRATION_FAILED;
   * UpgradeInProgressError where another process holds the lock: it does not wait.
   */
  upgrade(options: { to: string; actor: string; signal?: AbortSignal }): Promise<UpgradeResult>;
  /** What `upgrade` would do; changes nothing. Throws as it does. */
  plan(options: { to: string }): Promise<UpgradePlan>;
}

export interface MigrationsRoutesDeps {
  readonly auth: AdminAuth;
  readonly schema: SchemaPort;
  readonly probes: HealthProbes;
  readonly logger: Logger;
  /** Aborts when the server stops: an upgrade ends after the revision that it is in. */
  readonly signal: AbortSignal;
}

const HISTORY_LIMIT = 100;

const BODY_FAULT = 'must be a JSON object: {} upgrades to head, {"dry_run": true} tells what that would do';
const REVISION_FAULT = 'must be "head" or the name of a revision, such as "0003_futures_data"';
/** A POST without any body (which comes as null) means the defaults; a list or a text is a slip, and is refused. */
const upgradeBody = z.preprocess(
  (body) => body ?? {},
  z.strictObject(
    {
      to: z
        .string({ error: REVISION_FAULT })
        .regex(/^[a-z0-9_]{1,100}$/, REVISION_FAULT)
        .default('head'),
      dry_run: z.boolean({ error: 'must be true or false' }).default(false),
    },
    { error: ({ code }) => (code === 'invalid_type' ? BODY_FAULT : undefined) },
  ),
);

const names = z.array(z.string()).readonly();

const statusAnswer = z
  .object({
    version: z.string().nullable().describe('The newest revision that ran; null where none did.'),
    head: z.string(),
    schema_name: z.string(),
    applied: names,
    pending: names,
    unknown: names.describe('Revisions of a newer build.'),
    edited: names.describe('Revisions whose files were changed after they had run.'),
    steps: z
      .array(
        z.object({
          step: z.string(),
          revision: z.string(),
          state: z.enum(['applied', 'due']),
          reason: z.string().nullable(),
          remedy: z.string().nullable(),
          remedy_needed: z.boolean().describe('Whether somebody should do what the remedy says.'),
        }),
      )
      .readonly(),
    deferred: z.array(deferredStep).readonly(),
    timescaledb: z.string().nullable().describe('Its version; null on plain PostgreSQL.'),
    history: z
      .array(
        z.object({
          id: z.int(),
          action: z.enum(['up', 'down', 'step', 'adopt']),
          subject: z.string(),
          checksum: z.string().nullable(),
          started_at: moment,
          duration_ms: z.int().nullable(),
          application_version: z.string(),
          host: z.string(),
          actor: z.string(),
          outcome: z.enum(['running', 'applied', 'failed', 'interrupted']),
          error: z.string().nullable(),
          sql_state: z.string().nullable(),
          notices: names,
        }),
      )
      .readonly()
      .describe('Newest first, at most 100.'),
  })
  .meta({ id: 'SchemaStatus' });

const resultAnswer = z
  .object({
    applied: z.array(z.object({ revision: z.string(), duration_ms: z.number(), notices: names })).readonly(),
    steps_applied: names,
    deferred: z.array(deferredStep).readonly(),
    version: z.string().nullable(),
    head: z.string(),
  })
  .meta({ id: 'UpgradeResult' });

const planAnswer = z
  .object({
    revisions: names,
    steps: z
      .array(
        z.object({
          step: z.string(),
          revision: z.string(),
          action: z.enum(['apply', 'defer']),
          reason: z.string().nullable(),
          remedy: z.string().nullable(),
        }),
      )
      .readonly(),
    version: z.string().nullable(),
    target: z.string(),
  })
  .meta({ id: 'UpgradePlan' });

const statusSchema = describeRoute(
  {
    id: 'getMigrations',
    chapter: 'Service',
    access: 'open',
    summary: 'Where the schema stands: version, pending, deferred steps with reason and remedy, history',
    problems: ['NOT_RUNNING', 'DATABASE_UNAVAILABLE'],
  },
  {},
  statusAnswer,
);

const upgradeSchema = describeRoute(
  {
    id: 'upgradeSchema',
    chapter: 'Admin',
    access: 'admin',
    summary: 'Upgrade the schema (what ran), or with dry_run tell what would run',
    isBodyOptional: true,
    problems: [
      'REVISION_UNKNOWN',
      'REVISION_UNFILLED',
      'DOWNGRADE_REFUSED',
      'UPGRADE_IN_PROGRESS',
      'SCHEMA_MISMATCH',
      'MIGRATION_FAILED',
    ],
  },
  { body: upgradeBody },
  z.union([resultAnswer, planAnswer]),
);

/**
 * One answer at a time, each for all who asked before it was begun: it costs a connection of its own, and nobody may read
 * a state from before what he did.
 */
function shareAnswers<T>(make: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let waiting: Promise<T> | null = null;
  return () => {
    waiting ??= running.then(() => {
      waiting = null;
      const answer = make();
      running = answer.catch(() => undefined);
      return answer;
    });
    return waiting;
  };
}

/** `GET /migrations`: where the schema stands. `POST /migrations/upgrade`: upgrade it, or tell what an upgrade would do. */
export function registerMigrationsRoutes(app: HttpApp, deps: MigrationsRoutesDeps): void {
  const { auth, schema, probes, logger, signal } = deps;
  const answerStatus = shareAnswers(async () => ({
    ...(await schema.status()),
    history: await schema.history(HISTORY_LIMIT),
  }));

  app.get('/migrations', { schema: statusSchema }, async () => {
    if (probes.phase() !== 'migrating') assertRunning(probes);
    return await answerStatus();
  });

  app.post(
    '/migrations/upgrade',
    {
      schema: upgradeSchema,
      // Before the body is read: who may not ask cannot make us read 64 kB either.
      onRequest: async (request) => await auth.authorize(request.headers.authorization, request.ip),
      onError: (request, _reply, error, done) => {
        const call = { address: request.ip, request_id: request.id, body: request.body };
        // Where in our code a caller's mistake was noticed helps nobody.
        const isTheirs = error instanceof RequestError || (error.statusCode ?? 500) < 500;
        const told = isTheirs ? { code: error.code, reason: error.message } : { err: error };
        logger.warn({ ...call, ...told }, 'an admin upgrade request was refused or failed');
        done();
      },
    },
    async (request) => {
      const { to, dry_run } = request.body;
      const call = { address: request.ip, request_id: request.id, to, dry_run };
      logger.info(call, 'an admin upgrade request was accepted');
      if (dry_run) {
        if (probes.phase() !== 'migrating') assertRunning(probes);
        const plan = await schema.plan({ to });
        logger.info({ ...call, revisions: plan.revisions }, 'the plan of an upgrade was answered');
        return plan;
      }
      assertUpgradable(probes);
      const result = await schema.upgrade({ to, actor: 'admin', signal });
      const applied = result.applied.map((revision) => revision.revision);
      logger.info({ ...call, applied, steps_applied: result.steps_applied }, 'an admin upgrade is done');
      return result;
    },
  );
}
