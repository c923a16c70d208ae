import { z } from 'zod';
import { moment } from '../protocol/route-schema.ts';

const phase = z.enum(['connecting', 'migrating', 'verifying', 'running', 'stopping']);
const database = z.enum(['up', 'down']);
const reason = z.string().nullable();

/** A step of the schema that could not be done yet. */
export const deferredStep = z
  .object({ step: z.string(), revision: z.string(), reason: z.string(), remedy: z.string() })
  .meta({ id: 'DeferredStep', description: 'A step that could not be done yet, why, and what to do.' });

/** Slots by state. */
export const slotCounts = z
  .object({
    have: z.int(),
    missing: z.int(),
    confirmed_empty: z.int(),
    refused: z.int(),
    out_of_window: z.int(),
  })
  .meta({ id: 'SlotCounts', description: 'How many opening times are in each state.' });

/** One exchange as seen from here. */
export const exchangeState = z.object({
  exchange: z.string(),
  state: z.enum(['up', 'down', 'refused']),
  block: z
    .object({ reason: z.string(), until: moment.nullable(), message: z.string() })
    .nullable()
    .describe('Why nothing may be sent to it, and until when.'),
  budgets: z
    .array(z.object({ name: z.string(), limit: z.number(), window_seconds: z.number(), used: z.number() }))
    .readonly(),
  stream: z
    .object({
      state: z.enum(['connecting', 'live', 'down']),
      subscribed: z.int(),
      connections: z.int(),
      reconnects: z.int(),
      received: z.int(),
      last_message_at: moment.nullable(),
      last_error: reason,
    })
    .nullable(),
  candle_limit: z.int().optional().describe('How many candles one request to it answers.'),
  series: z.int(),
  last_error: reason,
});

/** GET /health. */
export const healthAnswer = z
  .object({
    status: z.enum(['healthy', 'degraded', 'starting', 'unhealthy', 'stopping']),
    phase,
    phase_detail: reason,
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
      ingest: z.enum(['running', 'degraded', 'stopped']),
    }),
    ingest: z.object({
      series: z.int(),
      complete: z.int(),
      behind: z.int(),
      refused: z.int().describe('Series that the exchange does not have.'),
      max_lag_seconds: z.number().nullable(),
      futures: z.object({ feeds: z.int(), complete: z.int() }).describe('One feed for each symbol and kind of data.'),
      last_error: reason,
    }),
    recent_ohlcv: z.object({
      refreshed_at: moment.nullable(),
      duration_ms: z.number().nullable(),
      rows: z.int().nullable(),
      last_error: reason.optional(),
    }),
    coverage: slotCounts.extend({ as_of: moment }).nullable(),
    quarantine: z.int().nullable(),
    revisions: z.int().nullable(),
    exchanges: z.array(exchangeState).readonly(),
    replica: z
      .object({
        id: z.string(),
        state: z.enum(['joining', 'member', 'lost', 'stopped']),
        alive: z.int().nullable(),
        strangers: z.int(),
        markets: z.int(),
        held: z.int(),
        last_error: reason,
      })
      .nullable(),
    audit: z.object({
      at: moment.nullable(),
      duration_ms: z.number().nullable(),
      differences: z.int().nullable(),
      repaired: z.int().nullable(),
      deviations: z.int().nullable(),
      last_error: reason,
    }),
  })
  .meta({ id: 'Health' });

/** GET /health/live. */
export const liveAnswer = z.object({ status: z.literal('alive'), phase });

/** GET /health/ready. */
export const readyAnswer = z.object({
  status: z.enum(['ready', 'not ready']),
  phase,
  phase_detail: reason,
  database,
});
