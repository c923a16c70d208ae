/* eslint-disable @typescript-eslint/require-await -- the ports are asynchronous; memory answers at once */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { MigrationError } from '../../../src/errors.ts';
import { createHttpApp, type HttpAppDeps } from '../../../src/http/create-http-app.ts';
import type { CompletenessProbes } from '../../../src/http/health/completeness-health.ts';
import type { HealthProbes } from '../../../src/http/health/health.ts';
import type { HttpApp } from '../../../src/http/protocol/http-app.ts';
import type { HttpLimits } from '../../../src/http/protocol/limits.ts';
import type { LedgerSnapshot } from '../../../src/http/health/ledger-totals.ts';
import type { SchemaPort } from '../../../src/http/routes/migrations.ts';
import type { PlanPort } from '../../../src/http/routes/plan.ts';
import type { SchemaStatus, UpgradePlan, UpgradeResult } from '../../../src/db/migrator/schema-status.ts';
import type { Candle } from '../../../src/market/candle.ts';
import { parseDecimal } from '../../../src/market/decimal.ts';
import type { Series } from '../../../src/market/instrument.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import type { Logger } from '../../../src/logger.ts';
import { InMemoryRows } from './in-memory-rows.ts';

export const HOUR_MS = 3_600_000;
export const FIRST_MS = Date.UTC(2026, 0, 1);
export const BTC: Series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: parseTimeframe('1h') };
export const TOKEN = 'correct-horse-battery';

/** `count` hourly candles from FIRST_MS on; the digits tell one from another. */
export function hourlyCandles(count: number): Candle[] {
  return Array.from({ length: count }, (_, index) => ({
    timestamp: FIRST_MS + index * HOUR_MS,
    open: parseDecimal(`${100 + index}.00002452`),
    high: parseDecimal(`${200 + index}.10`),
    low: parseDecimal('0.000000123456'),
    close: parseDecimal(`${150 + index}`),
    volume: parseDecimal('12345678901234.5'),
  }));
}

export const AT_HEAD: SchemaStatus = {
  version: '0002_b',
  head: '0002_b',
  schema_name: 'public',
  applied: ['0001_a', '0002_b'],
  pending: [],
  unknown: [],
  edited: [],
  steps: [],
  deferred: [],
  timescaledb: null,
};

/** A chain of revisions in memory that upgrades as the port says. */
export class InMemorySchema implements SchemaPort {
  readonly revisions = ['0001_a', '0002_b', '0003_c'];
  applied = 1;
  readonly calls: { to: string; actor: string; signal?: AbortSignal }[] = [];
  /** Thrown by the next calls while it is set. */
  fault: Error | null = null;

  async status(): Promise<SchemaStatus> {
    if (this.fault) throw this.fault;
    return {
      ...AT_HEAD,
      version: this.revisions[this.applied - 1] ?? null,
      head: this.revisions.at(-1)!,
      pending: this.revisions.slice(this.applied),
    };
  }

  history(): Promise<[]> {
    return Promise.resolve([]);
  }

  async upgrade(options: { to: string; actor: string; signal?: AbortSignal }): Promise<UpgradeResult> {
    this.calls.push(options);
    const plan = await this.plan(options);
    this.applied += plan.revisions.length;
    return {
      applied: plan.revisions.map((revision) => ({ revision, duration_ms: 1, notices: [] })),
      steps_applied: [],
      deferred: [],
      version: plan.target,
      head: this.revisions.at(-1)!,
    };
  }

  async plan({ to }: { to: string }): Promise<UpgradePlan> {
    if (this.fault) throw this.fault;
    const index = to === 'head' ? this.revisions.length - 1 : this.revisions.indexOf(to);
    if (index < 0) throw new MigrationError(`there is no revision ${to}`, { revision: to, code: 'REVISION_UNKNOWN' });
    if (index < this.applied - 1)
      throw new MigrationError(`${to} lies behind the database`, { revision: to, code: 'DOWNGRADE_REFUSED' });
    const version = this.revisions[this.applied - 1] ?? null;
    return {
      revisions: this.revisions.slice(this.applied, index + 1),
      steps: [],
      version,
      target: this.revisions[index]!,
    };
  }
}

/** Probes of a service that is up and healthy, with what a test wants otherwise. */
export function createProbes(changes: Partial<HealthProbes> = {}): HealthProbes {
  return {
    phase: () => 'running',
    progress: () => null,
    failure: () => null,
    schema: () => AT_HEAD,
    database: () => 'up',
    scheduler: () => 'running',
    ingest: () => ({
      state: 'running',
      series: 3,
      complete: 3,
      behind: 0,
      refused: 0,
      futures: { feeds: 0, complete: 0 },
      max_lag_seconds: 42,
      last_error: null,
    }),
    ingestSeries: () => [],
    recentOhlcv: () => ({ refreshed_at: '2026-01-01T00:00:00.000Z', duration_ms: 8, rows: 504 }),
    completeness: createCompleteness(),
    ...changes,
  };
}

export const LEDGER: LedgerSnapshot = {
  as_of: '2026-01-01T00:00:00.000Z',
  slots: { have: 90, missing: 4, confirmed_empty: 3, refused: 2, out_of_window: 1 },
  groups: [
    {
      exchange: 'binance',
      timeframe: '1h',
      metric: 'ohlcv',
      slots: { have: 90, missing: 4, confirmed_empty: 3, refused: 2, out_of_window: 1 },
    },
  ],
  quarantine: 5,
  revisions: 6,
  last_error: null,
};

/** Probes of a service whose data is complete, with what a test wants otherwise. */
export function createCompleteness(changes: Partial<CompletenessProbes> = {}): CompletenessProbes {
  return {
    ledger: () => LEDGER,
    exchanges: () => [
      {
        exchange: 'binance',
        state: 'up',
        series: 3,
        last_error: null,
        block: null,
        budgets: [{ name: 'spot', limit: 6000, window_seconds: 60, used: 123 }],
        stream: {
          state: 'live',
          subscribed: 3,
          connections: 1,
          reconnects: 2,
          received: 77,
          last_message_at: '2026-01-01T00:00:00.000Z',
          last_error: null,
        },
      },
    ],
    replica: () => ({ id: 'one', state: 'member', alive: 2, strangers: 0, markets: 7, held: 3, last_error: null }),
    audit: () => ({
      at: '2026-01-01T03:17:00.000Z',
      duration_ms: 1200,
      differences: 0,
      repaired: 0,
      deviations: 0,
      last_error: null,
    }),
    ...changes,
  };
}

/** What a plan says where nothing is missing. */
export const NOTHING_TO_FETCH: Awaited<ReturnType<PlanPort>> = {
  since: '2026-01-01T00:00:00.000Z',
  until: '2026-01-02T00:00:00.000Z',
  total: { series: 0, slots: 0, requests: 0, minutes: 0, rows: 0, bytes: 0 },
  exchanges: [],
  left_out: [],
};

/** Metrics of a service that has measured nothing. */
export const NO_METRICS: HttpAppDeps['metrics'] = {
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  render: () => Promise.resolve('# nothing was measured\n'),
  observeRequest: () => undefined,
};

/** No CORS, no rate limit, no proxy. */
export const NO_LIMITS: HttpLimits = { corsOrigins: [], rateLimitPerMinute: 0, trustedProxies: [] };

export interface LoggedLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A logger that keeps its lines. */
export function createRecordingLogger(): { logger: Logger; lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as LoggedLine);
      done();
    },
  });
  return { logger: pino({ level: 'trace' }, stream), lines };
}

export interface TestApp {
  readonly app: HttpApp;
  readonly rows: InMemoryRows;
  readonly schema: InMemorySchema;
  readonly lines: LoggedLine[];
}

/** The whole app over rows in memory: 12 hourly candles of BTC/USDT from FIRST_MS on. */
export function createTestApp(changes: Partial<HttpAppDeps> = {}): TestApp {
  const { logger, lines } = createRecordingLogger();
  const rows = new InMemoryRows();
  rows.put(BTC, hourlyCandles(12));
  const schema = new InMemorySchema();
  const app = createHttpApp({
    adminToken: TOKEN,
    logger,
    version: '0.1.0-test',
    probes: createProbes(),
    repositories: rows,
    schema,
    plan: () => Promise.resolve(NOTHING_TO_FETCH),
    metrics: NO_METRICS,
    limits: NO_LIMITS,
    signal: new AbortController().signal,
    ...changes,
  });
  // A response that was injected keeps its timeout after its end, and with it the process.
  app.addHook('onResponse', (_request, { raw }, done) => {
    clearTimeout((raw as { timeoutHandle?: NodeJS.Timeout }).timeoutHandle);
    done();
  });
  return { app, rows, schema, lines };
}

/** Asks for `url`, expects `status`, and answers the body's JSON. */
export async function get<T>(app: HttpApp, url: string, status = 200): Promise<T> {
  const response = await app.inject(url);
  assert.equal(response.statusCode, status, response.body);
  return response.json();
}

/** The moment `hour` hours after FIRST_MS. */
export const iso = (hour: number) => new Date(FIRST_MS + hour * HOUR_MS).toISOString();
