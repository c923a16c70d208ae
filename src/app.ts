import packageJson from '../package.json' with { type: 'json' };
import { BootState } from './boot-state.ts';
import { SYSTEM_CLOCK, type Clock } from './clock.ts';
import type { Config } from './config.ts';
import { createKysely, createPool } from './db/client.ts';
import { DatabaseMonitor } from './db/database-monitor.ts';
import { EmbeddedServer } from './db/embedded/embedded-server.ts';
import { findRuntimeRole, SchemaMigrator } from './db/migrator/schema-migrator.ts';
import { PoolWatch } from './db/pool-watch.ts';
import { AuditRepository } from './db/repositories/audit-repository.ts';
import { createRepositories } from './db/repositories/index.ts';
import { RowSizes } from './db/repositories/row-sizes.ts';
import { SchemaMonitor } from './db/schema-monitor.ts';
import { createExchange } from './exchanges/create-exchange.ts';
import type { HealthProbes } from './http/health/health.ts';
import { HttpServer } from './http/http-server.ts';
import { LedgerTotals } from './http/health/ledger-totals.ts';
import { LiveHub } from './http/live/live-hub.ts';
import { summarizeHealth } from './http/health/summarize-health.ts';
import { ServiceMetrics } from './http/health/service-metrics.ts';
import { BackfillPlanner } from './planning/backfill-planner.ts';
import { IngestService } from './ingest/ingest-service.ts';
import { ProgressBar } from './ingest/progress-bar.ts';
import { createReplicaIdentity } from './replicas/replica-identity.ts';
import { ReplicaShares } from './replicas/replica-shares.ts';
import { AddressBlocks } from './ingest/exchange/address-blocks.ts';
import type { IngestProgress } from './ingest/ingest-state.ts';
import { AuditCoverage } from './jobs/audit-coverage.ts';
import type { Job } from './jobs/job.ts';
import { measureJob, type JobRun } from './jobs/measure-job.ts';
import { refreshAfterBackfill } from './jobs/refresh-after-backfill.ts';
import { RefreshRecentOhlcv } from './jobs/refresh-recent-ohlcv.ts';
import { Scheduler } from './jobs/scheduler.ts';
import { SendTelegramReport } from './jobs/send-telegram-report.ts';
import type { Logger } from './logger.ts';
import type { SeriesCandles } from './market/commit-entry.ts';
import { LastWrite } from './replicas/last-write.ts';
import { Topic } from './topic.ts';

/** Two writers for each core of a small machine, and what else the service asks by itself. */
const MAX_CONNECTIONS = 10;
/** Requests have a pool of their own, with a statement timeout: however many ask, what is collected gets stored. */
const HTTP_CONNECTIONS = 10;
/** The leases have a pool of their own: they must not run out behind a queue of writers and readers. */
const LEASE_CONNECTIONS = 2;

export type App = ReturnType<typeof createApp>;

/**
 * Builds every part that lives as long as the process and ties them together. Does no I/O: see boot.ts.
 *
 * @param time `clock`: the time by which is collected; the machine's unless given.
 */
export function createApp(config: Config, logger: Logger, { clock = SYSTEM_CLOCK }: { clock?: Clock } = {}) {
  const state = new BootState();
  const { database } = config;

  const embedded = database.url === null ? new EmbeddedServer({ dataDir: config.dataDir, logger }) : null;
  const runtimeUrl = () => database.url ?? embedded?.connectionString() ?? '';
  const migrationUrl = () => database.migrationUrl ?? runtimeUrl();
  const pools = new PoolWatch();
  const connect = (applicationName: string, maxConnections: number, statementTimeoutMs = 0) =>
    createKysely(() =>
      pools.add(
        applicationName,
        createPool({
          url: runtimeUrl(),
          applicationName,
          maxConnections,
          statementTimeoutMs,
          schema: () => state.schema,
          logger,
        }),
      ),
    );
  const kysely = connect('candlekeep', MAX_CONNECTIONS);
  const leaseKysely = connect('candlekeep leases', LEASE_CONNECTIONS);
  const httpKysely = connect('candlekeep http', HTTP_CONNECTIONS, config.http.statementTimeoutMs);
  const repositories = createRepositories(kysely);
  const databaseMonitor = new DatabaseMonitor({ kysely, logger });
  const migrator = new SchemaMigrator({
    url: migrationUrl,
    runtimeRole: findRuntimeRole(database.url, database.migrationUrl),
    lockWaitMs: database.migrationLockWaitMs,
    logger,
  });
  const schema = new SchemaMonitor({ migrator });

  const { markets, timeframes, backfill, futures } = config.collect;
  const identity = createReplicaIdentity({ markets, timeframes, backfill, futures }, process);
  const lastWrite = new LastWrite();
  const shares = new ReplicaShares({
    identity,
    leases: createRepositories(leaseKysely).replicas,
    lastWriteAt: () => lastWrite.at,
    logger,
  });

  const openExchange = (id: string) => {
    const sharedBy = () => shares.state().alive ?? 1;
    return createExchange({ id, origin: config.exchangeUrls.get(id) ?? null, logger, clock, sharedBy });
  };
  const blocks = new AddressBlocks({
    repository: repositories.exchangeBlocks,
    address: config.addressName ?? identity.host,
    origins: config.exchangeUrls,
    replicaId: identity.id,
  });

  const stored = new Topic<readonly SeriesCandles[]>();
  const progress = new Topic<IngestProgress>();
  const ingest = new IngestService({
    openExchange,
    clock,
    stores: repositories,
    shares,
    blocks,
    windows: { note: (windows) => repositories.wantedWindows.note(windows, identity.id) },
    collect: config.collect,
    lastWrite,
    logger,
    onStored: stored.publish,
    onProgress: progress.publish,
  });
  const progressBar = process.stderr.isTTY && config.log.pretty ? new ProgressBar({ stream: process.stderr }) : null;
  if (progressBar) progress.subscribe((news) => progressBar.show(news));

  const refresh = new RefreshRecentOhlcv({
    cron: config.refreshCron,
    view: repositories.recentOhlcv,
    lastWriteAt: () => lastWrite.findLatest(repositories.replicas),
    findLastRun: (job) => repositories.jobRuns.findLast(job),
    logger,
  });
  const report =
    config.telegram &&
    new SendTelegramReport({
      telegram: config.telegram,
      ingest,
      repositories,
      replica: () => shares.state(),
      logger,
    });
  const audit = new AuditCoverage({
    cron: config.auditCron,
    stores: { audit: new AuditRepository({ kysely }), futures: repositories.futures },
    onMissing: (key, ranges) => ingest.noteMissing(key, ranges),
    logger,
  });
  const jobs: Job[] = [refresh, audit, ...(report ? [report] : [])];
  const jobRuns = new Topic<JobRun>();
  const scheduler = new Scheduler({
    jobs: jobs.map((job) => measureJob(job, jobRuns.publish)),
    logger,
    shared: { runs: repositories.jobRuns, replicaId: identity.id },
  });
  refreshAfterBackfill({ progress, refresh: () => scheduler.runNow(refresh.name), logger });

  const planner = new BackfillPlanner({
    collect: config.collect,
    stores: { ...repositories, rowSizes: new RowSizes({ kysely }) },
    clock,
    openExchange,
    findBlock: (id) => blocks.find(id),
  });

  const ledger = new LedgerTotals({
    ...repositories,
    isReady: () => state.phase === 'running' && databaseMonitor.state() === 'up',
    logger,
  });
  const completeness = {
    ledger: () => ledger.snapshot(),
    exchanges: () => ingest.exchanges(),
    replica: () => shares.state(),
    audit: () => audit.snapshot(),
  };
  const probes: HealthProbes = {
    phase: () => state.phase,
    progress: () => state.progress,
    failure: () => state.failure,
    schema: () => schema.current(),
    database: () => databaseMonitor.state(),
    scheduler: () => scheduler.state(),
    ingest: () => ingest.health(),
    ingestSeries: () => ingest.series(),
    recentOhlcv: () => refresh.snapshot(),
    completeness,
  };
  const httpRepositories = createRepositories(httpKysely);
  const live = new LiveHub({ feed: httpRepositories.liveFeed, readHealth: () => summarizeHealth(probes), logger });
  stored.subscribe((candles) => live.note(candles));

  const metrics = new ServiceMetrics({
    version: packageJson.version,
    jobs: jobs.map(({ name }) => name),
    probes: {
      phase: () => state.phase,
      database: () => databaseMonitor.state(),
      schema: () => schema.current(),
      completeness,
      ingestSeries: () => ingest.series(),
      ingestTotals: () => ingest.counters(),
      ingestLags: () => ingest.lags(),
      pools: () => pools.states(),
      liveClients: () => live.size,
    },
  });

  jobRuns.subscribe((run) => metrics.observeJob(run));

  const http = new HttpServer({
    http: config.http,
    logger,
    version: packageJson.version,
    repositories: httpRepositories,
    plan: (signal) => planner.plan(signal),
    metrics,
    schema: {
      status: () => schema.status(),
      history: (limit) => schema.history(limit),
      plan: (options) => schema.plan(options),
      // A caller gets its answer at once: who holds the lock is told with 409.
      upgrade: (options) => schema.upgrade({ ...options, waitMs: 0 }),
    },
    live,
    probes,
  });

  return {
    config,
    logger,
    state,
    progressBar,
    embedded,
    runtimeUrl,
    migrationUrl,
    kysely,
    leaseKysely,
    httpKysely,
    databaseMonitor,
    schema,
    http,
    shares,
    scheduler,
    ingest,
    live,
  };
}
