import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { COVERAGE_STATES } from '../market/coverage.ts';
import type { CompletenessProbes } from './completeness-health.ts';
import type { HealthProbes } from './health.ts';

/** What the ingest did since the start of the process. */
export interface IngestTotals {
  /** Requests that were answered, and steps that failed. */
  readonly requests: number;
  readonly failures: number;
  /** Rows: read in answers and messages, new, rewritten by the exchange after they were stored, refused. */
  readonly read: number;
  readonly stored: number;
  readonly revised: number;
  readonly quarantined: number;
  /** Closed candles that live streams brought. */
  readonly streamed: number;
}

export interface ServiceMetricsDeps {
  readonly version: string;
  readonly probes: Pick<HealthProbes, 'phase' | 'database' | 'ingest'> & {
    readonly completeness: CompletenessProbes;
    /** All at once, from memory. */
    ingestTotals(): IngestTotals;
  };
}

const COUNTERS = {
  requests: ['requests_total', 'Requests that exchanges answered.'],
  failures: ['request_failures_total', 'Requests to exchanges that failed.'],
  read: ['rows_read_total', 'Rows that came in answers and messages.'],
  stored: ['rows_stored_total', 'Rows, and values of futures data, that were new.'],
  revised: ['rows_revised_total', 'Stored candles that the exchange told otherwise later.'],
  quarantined: ['rows_quarantined_total', 'Rows that could not be stored.'],
  streamed: ['candles_streamed_total', 'Closed candles that live streams brought.'],
} as const satisfies Record<keyof IngestTotals, readonly [string, string]>;

const JOB_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 1800];
const REQUEST_SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

/**
 * The metrics of one service in a registry of its own, as `candlekeep_*` beside those of the process. What others know
 * is read from them when the metrics are: nothing is counted twice, and nothing asks the database. No label names a
 * symbol: a service has hundreds.
 */
export class ServiceMetrics {
  readonly #registry = new Registry();
  readonly #jobs: Histogram<'job' | 'outcome'>;
  readonly #requests: Histogram<'method' | 'route' | 'status'>;

  constructor({ version, probes }: ServiceMetricsDeps) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#jobs = new Histogram({
      name: 'candlekeep_job_duration_seconds',
      help: 'How long scheduled jobs ran.',
      labelNames: ['job', 'outcome'],
      buckets: JOB_SECONDS,
      registers,
    });
    this.#requests = new Histogram({
      name: 'candlekeep_http_request_duration_seconds',
      help: 'How long HTTP requests took.',
      labelNames: ['method', 'route', 'status'],
      buckets: REQUEST_SECONDS,
      registers,
    });
    this.#gauge('build_info', 'Always 1; the version is in the label.', ['version'], (set) => set({ version }, 1));
    this.#addService(probes);
    this.#addTotals(probes);
    this.#addLedger(probes.completeness);
    this.#addExchanges(probes.completeness);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prometheus' text format. */
  async render(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** Counts a run of a scheduled job. */
  observeJob({ job, durationMs, hasFailed }: { job: string; durationMs: number; hasFailed: boolean }): void {
    this.#jobs.observe({ job, outcome: hasFailed ? 'failed' : 'done' }, durationMs / 1000);
  }

  /** Counts an answered HTTP request; `route` is the pattern of its path, null where nothing is there. */
  observeRequest({ method, route, status, durationMs }: ObservedRequest): void {
    this.#requests.observe({ method, route: route ?? 'none', status: String(status) }, durationMs / 1000);
  }

  #addService(probes: ServiceMetricsDeps['probes']): void {
    this.#gauge('running', 'Whether the service does its work.', [], (set) =>
      set({}, Number(probes.phase() === 'running')),
    );
    this.#gauge('database_up', 'Whether the database answers.', [], (set) =>
      set({}, Number(probes.database() === 'up')),
    );
    this.#gauge('series', 'Series that are collected, by state.', ['state'], (set) => {
      const { series, complete, behind } = probes.ingest();
      set({ state: 'complete' }, complete);
      set({ state: 'behind' }, behind);
      set({ state: 'other' }, series - complete - behind);
    });
    this.#gauge('ingest_lag_seconds', 'How far the most delayed series is behind.', [], (set) => {
      const { max_lag_seconds: lag } = probes.ingest();
      if (lag !== null) set({}, lag);
    });
  }

  #addTotals(probes: ServiceMetricsDeps['probes']): void {
    for (const name of Object.keys(COUNTERS) as (keyof IngestTotals)[]) {
      const [metric, help] = COUNTERS[name];
      this.#counter(metric, help, [], (add) => add({}, probes.ingestTotals()[name]));
    }
  }

  #addLedger(probes: CompletenessProbes): void {
    const labels = ['exchange', 'timeframe', 'metric', 'state'] as const;
    this.#gauge('slots', 'Slots of the ledger by state, counted at most every 30 s.', labels, (set) => {
      for (const { slots, ...group } of probes.ledger().groups)
        for (const state of COVERAGE_STATES) set({ ...group, state }, slots[state]);
    });
    this.#gauge('quarantine_rows', 'Rows in quarantine.', [], (set) => setKnown(set, probes.ledger().quarantine));
    this.#gauge('revisions', 'Rewritten candles in the log.', [], (set) => setKnown(set, probes.ledger().revisions));
    this.#gauge('audit_differences', 'Differences between ledger and rows that the last audit left.', [], (set) => {
      const { differences, repaired } = probes.audit();
      if (differences !== null) set({}, differences - (repaired ?? 0));
    });
    this.#gauge('audit_timestamp_seconds', 'When the last audit began.', [], (set) => {
      const { at } = probes.audit();
      if (at !== null) set({}, Date.parse(at) / 1000);
    });
    this.#gauge('replicas_alive', 'Processes that share the database.', [], (set) =>
      setKnown(set, probes.replica()?.alive ?? null),
    );
    this.#gauge('leases_held', 'Markets that this process collects.', [], (set) =>
      setKnown(set, probes.replica()?.held ?? null),
    );
  }

  #addExchanges(probes: CompletenessProbes): void {
    const allowance = ['exchange', 'allowance'] as const;
    for (const [name, field, help] of [
      ['budget_used', 'used', 'Spent of an allowance in its current window.'],
      ['budget_limit', 'limit', 'Allowed in a window.'],
      ['budget_window_seconds', 'window_seconds', 'How long the window of an allowance lasts.'],
    ] as const)
      this.#gauge(name, help, allowance, (set) => {
        for (const { exchange, budgets } of probes.exchanges())
          for (const budget of budgets) set({ exchange, allowance: budget.name }, budget[field]);
      });
    this.#gauge('exchange_blocked', 'Whether nothing may be sent, and why.', ['exchange', 'reason'], (set) => {
      for (const { exchange, block } of probes.exchanges())
        for (const reason of ['throttled', 'banned', 'refused'])
          set({ exchange, reason }, Number(block?.reason === reason));
    });
    this.#gauge('exchange_up', 'Whether the exchange answers.', ['exchange'], (set) => {
      for (const { exchange, state } of probes.exchanges()) set({ exchange }, Number(state === 'up'));
    });
    const streams = () =>
      probes.exchanges().flatMap(({ exchange, stream }) => (stream === null ? [] : [{ exchange, ...stream }]));
    this.#gauge('stream_live', 'Whether the live stream is up.', ['exchange'], (set) => {
      for (const { exchange, state } of streams()) set({ exchange }, Number(state === 'live'));
    });
    for (const [name, field, help] of [
      ['stream_series', 'subscribed', 'Series subscribed to.'],
      ['stream_connections', 'connections', 'Open connections.'],
    ] as const)
      this.#gauge(name, help, ['exchange'], (set) => {
        for (const stream of streams()) set({ exchange: stream.exchange }, stream[field]);
      });
    for (const [name, field, help] of [
      ['stream_reconnects_total', 'reconnects', 'How often a connection of the live stream was made again.'],
      ['stream_candles_total', 'received', 'Closed candles that came by the live stream.'],
    ] as const)
      this.#counter(name, help, ['exchange'], (add) => {
        for (const stream of streams()) add({ exchange: stream.exchange }, stream[field]);
      });
  }

  #gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (set: (labels: Record<Label, string>, value: number) => void) => void,
  ): void {
    const gauge = new Gauge<Label>({
      name: `candlekeep_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        // One without labels is 0 after a reset: what is not known yet is not 0.
        if (labelNames.length === 0) gauge.remove();
        read((labels, value) => gauge.set(labels, value));
      },
    });
  }

  /** A counter of something that others count since the start of the process. */
  #counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (add: (labels: Record<Label, string>, value: number) => void) => void,
  ): void {
    const counter = new Counter<Label>({
      name: `candlekeep_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        read((labels, value) => counter.inc(labels, value));
      },
    });
  }
}

interface ObservedRequest {
  readonly method: string;
  readonly route: string | null;
  readonly status: number;
  readonly durationMs: number;
}

function setKnown(set: (labels: object, value: number) => void, value: number | null): void {
  if (value !== null) set({}, value);
}
