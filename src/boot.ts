import type { App } from './app.ts';
import { isConnectionLoss, waitForDatabase } from './db/connectivity.ts';
import { groupDeferred } from './db/migrator/schema-status.ts';
import { verifyPrivileges, verifySchema } from './db/migrator/verify-schema.ts';
import { DatabaseUnavailableError, MigrationError, messageOf, sqlStateOf } from './errors.ts';
import { startAll, type ServiceContext } from './lifecycle.ts';
import { retry } from './retry.ts';

/** A revision that brings the server down would do so again and again. */
const MAX_CONNECTION_LOSSES = 10;

/**
 * Brings the process up: listen, connect, migrate, verify, run. Everything that was started is stopped in reverse order
 * by `stack`, also after a failure.
 *
 * @throws AppError that says what is wrong and what to do; the signal's reason where it was stopped meanwhile.
 */
export async function boot(app: App, stack: AsyncDisposableStack, context: ServiceContext): Promise<void> {
  const { state, logger } = app;
  const { signal } = context;
  const start = (...services: Parameters<typeof startAll>[0]) => startAll(services, stack, context, logger);

  await start(app.http);
  if (app.embedded) await start(app.embedded);
  await Promise.all([connect(app, signal), app.schema.preload()]);
  stack.defer(() => app.kysely.destroy());
  stack.defer(() => app.leaseKysely.destroy());
  stack.defer(() => app.httpKysely.destroy());
  await start(app.databaseMonitor);

  state.enter('migrating');
  await migrate(app, signal);

  state.enter('verifying');
  await verifySchema(app.kysely);
  await verifyPrivileges(app.kysely);

  stack.defer(() => app.progressBar?.stop());
  await start(app.shares, app.scheduler, app.ingest, app.live);
  state.enter('running');
  logger.info({ schema: app.schema.current()?.version, url: app.http.url }, 'candlekeep is running');
}

async function connect(app: App, signal: AbortSignal): Promise<void> {
  const { config, logger, state, runtimeUrl, migrationUrl } = app;
  const timeoutMs = config.database.connectTimeoutMs;
  const owner = await waitForDatabase({ url: migrationUrl(), timeoutMs, logger, signal });
  logger.info(owner, 'connected to the database');
  if (migrationUrl() === runtimeUrl()) return;
  const runtime = await waitForDatabase({ url: runtimeUrl(), timeoutMs, logger, signal });
  logger.info(runtime, 'connected to the database as the runtime role');
  if (runtime.schema !== owner.schema) state.schema = owner.schema;
}

async function migrate(app: App, signal: AbortSignal): Promise<void> {
  const { config, logger, schema, state } = app;
  if (config.database.migrateOnBoot) {
    let losses = 0;
    // A server that restarts in the middle rolls back the revision that it was in; the run then goes on from there.
    await retry(
      async (attempt) => {
        if (attempt > 1) await connect(app, signal);
        await schema.upgrade({
          actor: 'boot',
          signal,
          onProgress: ({ revision, index, total }) => {
            state.progress = `revision ${index} of ${total}: ${revision}`;
          },
        });
      },
      {
        firstMs: 500,
        maxMs: 5_000,
        signal,
        // Counted, not timed: a revision may run for longer than anybody would wait for a server to come back.
        isRetryable: (error) =>
          !(error instanceof DatabaseUnavailableError) && isConnectionLoss(error) && ++losses <= MAX_CONNECTION_LOSSES,
        onRetry: (error, attempt, waitMs) =>
          logger.warn(
            { attempt, waitMs, reason: messageOf(error), sqlState: sqlStateOf(error) },
            'the connection was lost while migrating',
          ),
      },
    );
  }
  const status = schema.current() ?? (await schema.status());
  if (status.pending.length > 0)
    throw new MigrationError(
      `the schema is at ${status.version ?? 'no revision'}, and this build needs ${status.head} (pending: ${status.pending.join(', ')}): run "npm run db-upgrade", or let the boot do it with MIGRATE_ON_BOOT=true`,
      { revision: null, code: 'SCHEMA_BEHIND' },
    );
  if (status.unknown.length > 0)
    logger.warn(
      { unknown: status.unknown },
      'the database is newer than this build: its own tables are verified, nothing is migrated',
    );
  if (status.edited.length > 0)
    logger.warn({ edited: status.edited }, 'revisions were edited after they had run here: restore them');
  for (const group of groupDeferred(status.deferred)) logger.info(group, 'steps of the schema are deferred');
}
