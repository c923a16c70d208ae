import { z } from 'zod';
import type { AdminAuth } from '../protocol/admin-auth.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { describeRoute } from '../protocol/route-schema.ts';
import { moment } from '../../market/moment-schema.ts';

const totals = {
  series: z.int().describe('Series and futures feeds with something to fetch.'),
  slots: z.int().describe('Candles and futures values that are missing.'),
  requests: z.int(),
  minutes: z
    .number()
    .nullable()
    .describe("How long the exchange's allowances make it last; null where they are not known."),
  rows: z.int().describe('Rows that the database grows by.'),
  bytes: z.number(),
};

/** What a backfill of the configured markets would cost now. */
const planAnswer = z
  .object({
    since: moment,
    until: moment,
    total: z.object(totals),
    exchanges: z
      .array(
        z.object({
          exchange: z.string(),
          ...totals,
          allowances: z
            .array(
              z.object({
                name: z.string(),
                limit: z.number(),
                window_seconds: z.number(),
                weight: z.number(),
                minutes: z.number(),
              }),
            )
            .readonly(),
          lines: z
            .array(
              z.object({
                metric: z.string(),
                timeframe: z.string(),
                series: z.int(),
                slots: z.int(),
                requests: z.int(),
              }),
            )
            .readonly(),
        }),
      )
      .readonly(),
    left_out: z.array(z.string()).readonly().describe('What could not be planned, and why.'),
  })
  .meta({ id: 'BackfillPlan' });

/** Says what a backfill of the configured markets would cost now. */
export type PlanPort = (signal: AbortSignal) => Promise<z.output<typeof planAnswer>>;

export interface PlanRoutesDeps {
  readonly auth: AdminAuth;
  readonly plan: PlanPort;
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
}

/**
 * `GET /v1/plan` (admin): requests, minutes of the exchanges' allowances, rows and bytes of what is still to fetch. Who
 * asks while a plan is being made gets that one.
 */
export function registerPlanRoutes(app: HttpApp, { auth, plan, signal }: PlanRoutesDeps): void {
  let planning: ReturnType<PlanPort> | null = null;
  app.get(
    '/v1/plan',
    {
      // Wrong tokens have a limit of their own.
      config: { rateLimit: false },
      schema: describeRoute(
        {
          id: 'planBackfill',
          chapter: 'Admin',
          access: 'admin',
          summary: 'What it costs to fetch what is missing: requests, minutes, rows, bytes',
        },
        { querystring: z.strictObject({}) },
        planAnswer,
      ),
      onRequest: async (request) => await auth.authorize(request.headers.authorization, request.ip),
    },
    async () => {
      planning ??= plan(signal).finally(() => (planning = null));
      return await planning;
    },
  );
}
