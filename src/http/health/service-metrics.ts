import { collectDefaultMetrics, Histogram } from 'prom-client';
import type { CompletenessProbes } from './completeness-health.ts';
import { registerExchangeMetrics, registerLedgerMetrics } from './completeness-metrics.ts';
import { PHASES } from './health-schema.ts';
import type { HealthProbes } from './health.ts';
import { MetricRegistry } from './metric-registry.ts';
import { SERIES_STATES, type IngestCounters, type IngestLag, type PoolState } from '../../market/service-state.ts';

export interface ServiceMetricsDeps {
  readonly version: string;
  /** The names of the scheduled jobs. */
  readonly jobs: readonly string[];
  /** Each answers at once, from memory. */
  readonly probes: Pick<HealthProbes, 'phase' | 'database' | 'schema' | 'ingestSeries'> & {
    readonly completeness: CompletenessProbes;
    ingestTotals(): IngestCounters;
    ingestLags(): readonly IngestLag[];
    pools(): readonly PoolState[];
    /** Clients that listen to /v1/stream. */
    liveClients(): number;
  };
}

const COUNTERS = {
  requests: ['requests_total', 'Requests that exchanges answered.'],
  failures: ['request_failures_total', 'Requests to exchanges that failed.'],
  read: ['rows_read_total', 'Rows that came in answers and messages.'],
  stored: ['rows_stored_total', 'Rows, and values of futures data, that were new.'],
  revised: ['rows_revised_total', 'Stored candles that the exchange told otherwise later.'],
  quarantined: ['rows_quarantined_total', 'Rows that could not be stored.'],
  streamed: ['candles_streamed_total', 'Closed candles of live streams that were written, new or not.'],
} as const satisfies Record<keyof IngestCounters, readonly [string, string]>;

const JOB_OUTCOMES = ['done', 'failed'] as const;
const JOB_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 1800];
/** The long ones are for exports. Each is a series of every route and status: steps of two or three tell enough. */
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/**
 * The metrics of one service in a registry of its own, as `candlekeep_*` beside those of the process. What others know
 * is read from them when the metrics are: nothing is counted twice, and nothing asks the database. No label names a
 * symbol: a service has hundreds. docs/observability.md lists them.
 */
export class ServiceMetrics {
  readonly #metrics = new MetricRegistry();
  readonly #jobs: Histogram<'job' | 'outcome'>;
  readonly #requests: Histogram<'method' | 'route' | 'status'>;

  constructor({ version, jobs, probes }: ServiceMetricsDeps) {
    const metrics = this.#metrics;
    const registers = [metrics.registry];
    collectDefaultMetrics({ register: metrics.registry });
    this.#jobs = new Histogram({
      name: 'candlekeep_job_duration_seconds',
      help: 'How long scheduled jobs ran.',
      labelNames: ['job', 'outcome'],
      buckets: JOB_SECONDS,
      registers,
    });
    // A series that began with the first failure would hide it: from nothing to 1 is no increase.
    for (const job of jobs) for (const outcome of JOB_OUTCOMES) this.#jobs.zero({ job, outcome });
    this.#requests = new Histogram({
      name: 'candlekeep_http_request_duration_seconds',
      help: 'How long HTTP requests took.',
      labelNames: ['method', 'route', 'status'],
      buckets: REQUEST_SECONDS,
      registers,
    });
    metrics.gauge('build_info', 'Always 1; the version is in the label.', ['version'], (set) => set({ version }, 1));
    registerServiceMetrics(metrics, probes);
    registerSchemaMetrics(metrics, probes);
    registerIngestMetrics(metrics, probes);
    registerLedgerMetrics(metrics, probes.completeness);
    registerExchangeMetrics(metrics, probes.completeness);
  }

  get contentType(): string {
    return this.#metrics.registry.contentType;
  }

  /** Prometheus' text format. */
  async render(): Promise<string> {
    return await this.#metrics.registry.metrics();
  }

  /** Counts a run of a scheduled job. */
  observeJob({ job, durationMs, hasFailed }: { job: string; durationMs: number; hasFailed: boolean }): void {
    const outcome: (typeof JOB_OUTCOMES)[number] = hasFailed ? 'failed' : 'done';
    this.#jobs.observe({ job, outcome }, durationMs / 1000);
  }

  /** Counts an answered HTTP request; `route` is the pattern of its path, null where nothing is there. */
  observeRequest({ method, route, status, durationMs }: ObservedRequest): void {
    this.#requests.observe({ method, route: route ?? 'none', status: String(status) }, durationMs / 1000);
  }
}

interface ObservedRequest {
  readonly method: string;
  readonly route: string | null;
  readonly status: number;
  readonly durationMs: number;
}

type Probes = ServiceMetricsDeps['probes'];

function registerServiceMetrics(metrics: MetricRegistry, probes: Probes): void {
  metrics.value('running', 'Whether the service does its work.', () => Number(probes.phase() === 'running'));
  metrics.gauge('phase', 'How far the process has come: 1 for the phase it is in.', ['phase'], (set) => {
    for (const phase of PHASES) set({ phase }, Number(probes.phase() === phase));
  });
  metrics.value('database_up', 'Whether the database answers.', () => Number(probes.database() === 'up'));
  metrics.value('live_clients', 'Clients that listen to /v1/stream.', () => probes.liveClients());
  const states = ['pool', 'state'] as const;
  metrics.gauge('pool_connections', 'Open database connections of a pool.', states, (set) => {
    for (const { pool, open, idle } of probes.pools()) {
      set({ pool, state: 'idle' }, idle);
      set({ pool, state: 'used' }, open - idle);
    }
  });
  for (const [name, field, help] of [
    ['pool_connections_max', 'max', 'The most connections that a pool opens.'],
    ['pool_waiting', 'waiting', 'Callers that wait for a connection of a pool.'],
  ] as const)
    metrics.gauge(name, help, ['pool'], (set) => {
      for (const state of probes.pools()) set({ pool: state.pool }, state[field]);
    });
}

/** From the last look at the schema: at the start, after upgrades, and when /migrations is asked. */
function registerSchemaMetrics(metrics: MetricRegistry, { schema }: Probes): void {
  metrics.gauge('schema_info', 'Always 1; where the schema stands is in the labels.', ['version', 'head'], (set) => {
    const status = schema();
    if (status !== null) set({ version: status.version ?? 'none', head: status.head }, 1);
  });
  metrics.gauge('schema_revisions', 'Revisions of the schema by state.', ['state'], (set) => {
    const status = schema();
    if (status === null) return;
    for (const state of ['applied', 'pending', 'unknown', 'edited'] as const) set({ state }, status[state].length);
  });
  metrics.value(
    'schema_deferred_steps',
    'Steps of revisions that wait for something; /migrations has the remedies.',
    () => schema()?.deferred.length ?? null,
  );
  metrics.value(
    'schema_remedies_needed',
    'Those of the deferred steps that somebody should do something about.',
    () => schema()?.steps.filter((step) => step.remedy_needed).length ?? null,
  );
}

function registerIngestMetrics(metrics: MetricRegistry, probes: Probes): void {
  metrics.gauge('series', 'Series by state.', ['exchange', 'timeframe', 'state'], (set) => {
    const groups = Map.groupBy(probes.ingestSeries(), ({ exchange, timeframe }) => `${exchange} ${timeframe}`);
    for (const group of groups.values())
      for (const { exchange, timeframe } of group.slice(0, 1))
        for (const state of SERIES_STATES)
          set({ exchange, timeframe, state }, group.filter((series) => series.state === state).length);
  });
  const labels = ['exchange', 'timeframe', 'metric'] as const;
  metrics.gauge('ingest_lag_seconds', 'How far the most delayed series or feed is behind.', labels, (set) => {
    for (const { exchange, timeframe, metric, lag_seconds } of probes.ingestLags())
      set({ exchange, timeframe, metric }, lag_seconds);
  });
  for (const name of Object.keys(COUNTERS) as (keyof IngestCounters)[]) {
    const [metric, help] = COUNTERS[name];
    metrics.counter(metric, help, [], (add) => add({}, probes.ingestTotals()[name]));
  }
}
