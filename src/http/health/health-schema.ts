import { z } from 'zod';
import { COVERAGE_STATES, type CoverageState } from '../../market/coverage.ts';
import { moment } from '../../market/moment-schema.ts';
import { auditState, exchangeState, ingestHealth, recentOhlcvState, replicaState } from '../../market/service-state.ts';

/** How far the process has come. */
export const PHASES = ['connecting', 'migrating', 'verifying', 'running', 'stopping'] as const;
export type Phase = (typeof PHASES)[number];

const phase = z.enum(PHASES);
const database = z.enum(['up', 'down']);

/** A step of the schema that could not be done yet. */
export const deferredStep = z
  .object({ step: z.string(), revision: z.string(), reason: z.string(), remedy: z.string() })
  .meta({ id: 'DeferredStep', description: 'A step that could not be done yet, why, and what to do.' });

/** Slots by state. */
export const slotCounts = z
  .object(Object.fromEntries(COVERAGE_STATES.map((state) => [state, z.int()])) as Record<CoverageState, z.ZodInt>)
  .meta({ id: 'SlotCounts', description: 'How many opening times are in each state.' });
export type SlotCounts = Readonly<z.output<typeof slotCounts>>;

/** GET /health. */
export const healthAnswer = z
  .object({
    status: z.enum(['healthy', 'degraded', 'starting', 'unhealthy', 'stopping']),
    phase,
    phase_detail: z.string().nullable(),
    reasons: z.array(z.string()).readonly().describe('What keeps it from being healthy, one sentence each.'),
    version: z.string(),
    uptime_seconds: z.int(),
    timestamp: moment,
    schema: z
      .object({
        version: z.string().nullable(),
        head: z.string(),
        pending: z.array(z.string()).readonly(),
        unknown: z.array(z.string()).readonly(),
        edited: z.array(z.string()).readonly(),
        deferred: z.array(deferredStep).readonly(),
        timescaledb: z.string().nullable(),
      })
      .nullable(),
    components: z.object({
      database,
      scheduler: z.enum(['running', 'stopped']),
      ingest: ingestHealth.shape.state,
    }),
    ingest: ingestHealth.omit({ state: true }),
    recent_ohlcv: recentOhlcvState,
    coverage: slotCounts.extend({ as_of: moment }).nullable(),
    quarantine: z.int().nullable(),
    revisions: z.int().nullable(),
    exchanges: z.array(exchangeState).readonly(),
    replica: replicaState.nullable(),
    audit: auditState,
  })
  .meta({ id: 'Health' });
/** The answer of GET /health. */
export type HealthDocument = Readonly<z.output<typeof healthAnswer>>;

/** GET /health/live. */
export const liveAnswer = z.object({ status: z.literal('alive'), phase });

/** GET /health/ready. */
export const readyAnswer = z.object({
  status: z.enum(['ready', 'not ready']),
  phase,
  phase_detail: z.string().nullable(),
  database,
});
