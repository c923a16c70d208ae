import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Logger } from '../logger.ts';
import { AdminAuth } from './admin-auth.ts';
import { answerError, RequestError } from './errors.ts';
import type { HealthProbes } from './health.ts';
import type { HttpApp } from './http-app.ts';
import { assertRunning } from './phase-gate.ts';
import { createProblem, type FieldFault } from './problems.ts';
import { registerCoverageRoutes, type LedgerReader } from './routes/coverage.ts';
import { registerFuturesRoutes, type FuturesReader } from './routes/futures.ts';
import { registerHealthRoutes } from './routes/health.ts';
import { registerMetricsRoutes, type MetricsPort } from './routes/metrics.ts';
import { registerMigrationsRoutes, type SchemaPort } from './routes/migrations.ts';
import { registerOhlcvRoutes, type CandleReader } from './routes/ohlcv.ts';
import { registerPlanRoutes, type PlanPort } from './routes/plan.ts';
import { registerQuarantineRoutes, type QuarantineReader } from './routes/quarantine.ts';
import { registerRecentRoutes, type RecentCandleReader } from './routes/recent.ts';
import { registerRevisionsRoutes, type RevisionReader } from './routes/revisions.ts';
import { registerSeriesRoutes, type CoverageReader } from './routes/series.ts';

/** What the data routes read. */
export interface HttpRepositories {
  readonly ohlcv: CandleReader & CoverageReader;
  readonly futures: FuturesReader;
  readonly recentOhlcv: RecentCandleReader;
  readonly coverage: LedgerReader;
  readonly quarantine: QuarantineReader;
  readonly candleRevisions: RevisionReader;
}

export interface HttpAppDeps {
  readonly adminToken: string | null;
  readonly logger: Logger;
  /** The application's version, for /health. */
  readonly version: string;
  readonly probes: HealthProbes;
  readonly repositories: HttpRepositories;
  readonly schema: SchemaPort;
  /** Answers /v1/plan; without it that path is not there. */
  readonly plan?: PlanPort;
  /** Answers /metrics, and is told of each request; without it that path is not there. */
  readonly metrics?: MetricsPort & RequestObserver;
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
  /** How long the process has been running. */
  readonly uptimeSeconds?: () => number;
}

/** Told of each request that was answered. */
interface RequestObserver {
  /** `route`: the pattern of the path, null where none answers there. */
  observeRequest(request: {
    readonly method: string;
    readonly route: string | null;
    readonly status: number;
    readonly durationMs: number;
  }): void;
}

const BODY_LIMIT = 64 * 1024;
/** A client that has not sent its whole request by then is cut off. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 15_000;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** All routes with their errors, limits and headers; it does not listen yet. */
export function createHttpApp(deps: HttpAppDeps): HttpApp {
  const { probes, repositories, logger, schema, signal, version, uptimeSeconds = () => process.uptime() } = deps;
  const app = fastify({
    // Fastify's own lines are sentences with values in them: the hooks below log instead.
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    trustProxy: false,
    genReqId: (request) => acceptRequestId(request.headers['x-request-id']) ?? randomUUID(),
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket),
    frameworkErrors: (error, request, reply) => {
      void sendError(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.removeContentTypeParser('text/plain');

  const sendError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const answer = answerError(readValidation(error), {
      path: pathOf(request.url),
      requestId: request.id,
      // While stopping, the pool is closed under the requests in flight.
      isDatabaseDown: probes.database() === 'down' || probes.phase() === 'stopping',
    });
    const fields = { request_id: request.id, method: request.method, path: answer.problem.instance, err: error };
    if (answer.problem.status === 500) logger.error(fields, 'a request failed');
    else if (answer.problem.type.endsWith(':database-unavailable'))
      logger.warn(fields, 'a request failed because the database does not answer');
    return reply
      .code(answer.problem.status)
      .headers({ 'x-request-id': request.id, ...answer.headers })
      .type('application/problem+json')
      .send(answer.problem);
  };
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request) => {
    const path = pathOf(request.url);
    const allowed = METHODS.filter((method) => app.hasRoute({ method, url: path }));
    if (allowed.length === 0)
      throw new RequestError('ROUTE_UNKNOWN', `Nothing answers at ${path}; /health and /v1/series do.`);
    const allow = allowed.join(', ');
    throw new RequestError('METHOD_NOT_ALLOWED', `${path} answers ${allow} only.`, { headers: { allow } });
  });

  app.addHook('onRequest', (request, reply, done) => {
    void reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      // What /v1 answers changes with every candle, and the rest at any moment.
      'cache-control': request.url.startsWith('/v1/') ? 'no-cache' : 'no-store',
    });
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, id, ip } = request;
    deps.metrics?.observeRequest({
      method,
      route: request.is404 ? null : (request.routeOptions.url ?? null),
      status: reply.statusCode,
      durationMs: reply.elapsedTime,
    });
    const isWarning = reply.statusCode >= 500 && probes.phase() === 'running' && !request.url.startsWith('/health');
    logger[isWarning ? 'warn' : 'debug'](
      {
        request_id: id,
        method,
        url: request.url,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        address: ip,
      },
      'a request was answered',
    );
    done();
  });

  registerHealthRoutes(app, { version, probes, uptimeSeconds });
  if (deps.metrics) registerMetricsRoutes(app, { metrics: deps.metrics });
  const auth = new AdminAuth({ token: deps.adminToken });
  registerMigrationsRoutes(app, { auth, schema, probes, logger, signal });
  app.register((data: HttpApp, _options, done) => {
    data.addHook('onRequest', (_request, _reply, next) => {
      assertRunning(probes);
      next();
    });
    registerSeriesRoutes(data, { ohlcv: repositories.ohlcv, probes });
    registerOhlcvRoutes(data, { ohlcv: repositories.ohlcv, probes });
    registerRecentRoutes(data, { recentOhlcv: repositories.recentOhlcv, ohlcv: repositories.ohlcv, probes });
    registerFuturesRoutes(data, { futures: repositories.futures });
    registerCoverageRoutes(data, { coverage: repositories.coverage });
    registerQuarantineRoutes(data, { quarantine: repositories.quarantine });
    registerRevisionsRoutes(data, { candleRevisions: repositories.candleRevisions });
    if (deps.plan) registerPlanRoutes(data, { auth, plan: deps.plan, signal });
    done();
  });
  return app;
}

/** Turns a failed zod validation into a refusal that names the fields; everything else stays as it is. */
function readValidation(error: unknown): unknown {
  if (!hasZodFastifySchemaValidationErrors(error)) return error;
  const isQuery = error.validationContext === 'querystring';
  const errors = error.validation.flatMap(
    ({ keyword, instancePath, message = 'is not valid', params }): FieldFault[] => {
      if (keyword === 'unrecognized_keys' && Array.isArray(params['keys']))
        return params['keys'].map((key) => ({
          field: String(key),
          message: isQuery ? 'is not a parameter of this path' : 'is not a field of this body',
        }));
      return [{ field: instancePath.slice(1) || 'body', message }];
    },
  );
  const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ');
  return new RequestError('REQUEST_INVALID', `${detail}.`, { errors, cause: error });
}

/** The id that a caller gave, where it is harmless in a log and a header. */
function acceptRequestId(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && /^[\w.:-]{1,100}$/.test(header) ? header : null;
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}

/** Answers what Node's parser refused before there was a request. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? createProblem('REQUEST_TIMEOUT', 'The whole request must arrive within 30 s, its headers within 15 s.', '')
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? createProblem('HEADERS_TOO_LARGE', 'Keep the request line and headers under 16 kB.', '')
        : createProblem('REQUEST_INVALID', 'This is not an HTTP request.', '');
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nconnection: close\r\n` +
      `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
