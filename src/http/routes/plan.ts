import type { AdminAuth } from '../admin-auth.ts';
import type { HttpApp } from '../http-app.ts';

/** What a backfill of the configured markets would cost now, ready for JSON. */
export type PlanPort = (signal: AbortSignal) => Promise<object>;

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
  let planning: Promise<object> | null = null;
  app.get(
    '/v1/plan',
    { onRequest: async (request) => await auth.authorize(request.headers.authorization, request.ip) },
    async () => {
      planning ??= plan(signal).finally(() => (planning = null));
      return await planning;
    },
  );
}
