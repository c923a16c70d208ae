import { summariseSchema, type SchemaStatus } from '../../db/migrator/schema-status.ts';
import { describeCompleteness, listCompletenessShortcomings, type CompletenessProbes } from './completeness-health.ts';
import type { HealthDocument, Phase } from './health-schema.ts';
import type { IngestHealth, RecentOhlcvState, SeriesState } from '../../market/service-state.ts';

type Components = HealthDocument['components'];

/** What is known here of a series that is collected or was refused. */
export type CollectedSeries = Omit<SeriesState, 'last_candle_at'>;

/**
 * How the HTTP part learns of the others, without knowing them. Every probe answers at once from memory: none asks
 * the database, so that health answers while it is down.
 */
export interface HealthProbes {
  phase(): Phase;
  /** What the phase is doing, such as `revision 3 of 5: 0003_futures_data`; null where there is nothing to say. */
  progress(): string | null;
  /** Why the process cannot do its work and will not recover by waiting; null where it can. */
  failure(): string | null;
  /** The schema as it was last looked at; null before the first look. */
  schema(): SchemaStatus | null;
  database(): Components['database'];
  scheduler(): Components['scheduler'];
  ingest(): IngestHealth;
  /** One entry for each series that is collected or was refused. */
  ingestSeries(): readonly CollectedSeries[];
  recentOhlcv(): RecentOhlcvState;
  /** How complete the data is. */
  readonly completeness: CompletenessProbes;
}

export interface ProcessFacts {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly now: Date;
}

/**
 * The whole picture. Deferred steps alone leave it healthy: the service does all its work without them, and they are
 * listed with their remedies.
 */
export function describeHealth(probes: HealthProbes, { version, uptimeSeconds, now }: ProcessFacts): HealthDocument {
  const { state: ingestState, ...ingest } = probes.ingest();
  const failure = probes.failure();
  const phase = probes.phase();
  const database = probes.database();
  const scheduler = probes.scheduler();
  const schema = probes.schema();
  const recent = probes.recentOhlcv();

  const faults = [
    ...(failure === null ? [] : [failure]),
    ...(database === 'down' && phase === 'running' ? ['the database does not answer'] : []),
  ];
  const { completeness } = probes;
  const isRunning = phase === 'running';
  const shortcomings = isRunning ? listShortcomings({ schema, scheduler, ingestState, ingest, recent }) : [];
  if (isRunning && database === 'up') shortcomings.push(...listCompletenessShortcomings(completeness));
  return {
    status: judge(phase, failure !== null, faults, shortcomings),
    phase,
    phase_detail: failure ?? probes.progress(),
    reasons: [...faults, ...shortcomings],
    version,
    uptime_seconds: Math.floor(uptimeSeconds),
    timestamp: now.toISOString(),
    schema: schema === null ? null : summariseSchema(schema),
    components: { database, scheduler, ingest: ingestState },
    ingest,
    recent_ohlcv: recent,
    ...describeCompleteness(completeness),
  };
}

/** Whether the service can answer for its data: it runs, and its database is up. */
export function isReady(probes: HealthProbes): boolean {
  return probes.phase() === 'running' && probes.database() === 'up' && probes.failure() === null;
}

function judge(
  phase: Phase,
  hasFailed: boolean,
  faults: readonly string[],
  shortcomings: readonly string[],
): HealthDocument['status'] {
  if (phase === 'stopping') return 'stopping';
  if (hasFailed) return 'unhealthy';
  if (phase !== 'running') return 'starting';
  if (faults.length > 0) return 'unhealthy';
  return shortcomings.length > 0 ? 'degraded' : 'healthy';
}

function listShortcomings(seen: {
  schema: SchemaStatus | null;
  scheduler: Components['scheduler'];
  ingestState: IngestHealth['state'];
  ingest: Omit<IngestHealth, 'state'>;
  recent: RecentOhlcvState;
}): string[] {
  const { schema, scheduler, ingestState, ingest, recent } = seen;
  const found: string[] = [];
  if (schema !== null && schema.unknown.length > 0)
    found.push(`the database is newer than this build: it has ${schema.unknown.join(', ')}; run a newer build`);
  if (schema !== null && schema.pending.length > 0)
    found.push(`the schema is behind: ${schema.pending.join(', ')} did not run; run db-upgrade`);
  if (ingestState === 'stopped') found.push('ingest is stopped');
  if (ingestState === 'degraded')
    found.push(`ingest is degraded: ${ingest.last_error ?? `${ingest.behind} series behind`}`);
  if (scheduler === 'stopped') found.push('the scheduler is stopped');
  if (typeof recent.last_error === 'string') found.push(`recent_ohlcv could not be refreshed: ${recent.last_error}`);
  return found;
}
