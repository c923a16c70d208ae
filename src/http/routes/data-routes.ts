import type { HealthProbes } from '../health/health.ts';
import type { Logger } from '../../logger.ts';
import type { AdminAuth } from '../protocol/admin-auth.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import type { BoundsReader } from '../query/series-lookup.ts';
import { registerCoverageRoutes } from './coverage.ts';
import { registerExchangesRoutes } from './exchanges.ts';
import { registerFuturesRoutes } from './futures.ts';
import { registerOhlcvRoutes } from './ohlcv.ts';
import { registerPlanRoutes, type PlanPort } from './plan.ts';
import { registerQuarantineRoutes } from './quarantine.ts';
import { registerRecentRoutes } from './recent.ts';
import { registerRevisionsRoutes } from './revisions.ts';
import { registerSeriesRoutes } from './series.ts';
import { registerStreamRoutes, type LivePort } from './stream.ts';
import { registerUdfRoutes } from './udf.ts';

/**
 * The routes that answer while the service runs, in the order of the document: a new resource is one line here. What a
 * route reads from it says in its own `open`.
 */
const DATA_ROUTES = [
  registerSeriesRoutes,
  registerOhlcvRoutes,
  registerExchangesRoutes,
  registerRecentRoutes,
  registerFuturesRoutes,
  registerCoverageRoutes,
  registerQuarantineRoutes,
  registerRevisionsRoutes,
  registerPlanRoutes,
  registerUdfRoutes,
  registerStreamRoutes,
] as const;

type Route = (typeof DATA_ROUTES)[number];
type ReadersOf<R> = R extends (app: HttpApp, deps: infer D) => void
  ? D extends { readonly open: OpenReaders<infer Readers> }
    ? (readers: Readers) => void
    : never
  : never;

/** The repositories that all of them together read from. */
export type DataReaders = ReadersOf<Route> extends (readers: infer All) => void ? All : never;

export interface DataRoutesDeps {
  readonly open: OpenReaders<DataReaders>;
  /** What is read for several requests at once, and so cancelled by none. */
  readonly shared: { readonly ohlcv: BoundsReader };
  readonly probes: HealthProbes;
  readonly logger: Logger;
  readonly auth: AdminAuth;
  readonly plan: PlanPort;
  /** Without it /v1/stream is not there. */
  readonly live: LivePort | undefined;
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
}

/** Puts all of them on `app`. */
export function registerDataRoutes(app: HttpApp, deps: DataRoutesDeps): void {
  for (const register of DATA_ROUTES) register(app, deps);
}
