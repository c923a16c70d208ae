import { z } from 'zod';
import type { AdminAuth } from '../protocol/admin-auth.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { describeRoute } from '../protocol/route-schema.ts';
import { backfillPlan, type BackfillPlan } from '../../market/backfill-plan.ts';

/** Says what a backfill of the configured markets would cost now. */
export type PlanPort = (signal: AbortSignal) => Promise<BackfillPlan>;

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
        backfillPlan,
      ),
      onRequest: async (request) => await auth.authorize(request.headers.authorization, request.ip),
    },
    async () => {
      planning ??= plan(signal).finally(() => (planning = null));
      return await planning;
    },
  );
}
