import { randomUUID } from 'node:crypto';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Logger } from '../logger.ts';
import { AdminAuth } from './protocol/admin-auth.ts';
import { answerBrokenRequest } from './protocol/broken-request.ts';
import { answerError, RequestError } from './protocol/errors.ts';
import { registerExportLimit } from './formats/export-limit.ts';
import type { HealthProbes } from './health/health.ts';
import type { HttpApp } from './protocol/http-app.ts';
import { registerGuards, registerRateLimit, weakenTagsOfCompressed, type HttpLimits } from './protocol/limits.ts';
import { registerOpenApi } from './protocol/openapi.ts';
import { assertRunning } from './health/phase-gate.ts';
import type { FieldFault } from './protocol/problems.ts';
import { createRequestSignal } from './protocol/request-signal.ts';
import { answerUnusualRequests } from './protocol/unusual-requests.ts';
import { registerDataRoutes, type DataReaders } from './routes/data-routes.ts';
import { registerHealthRoutes } from './routes/health.ts';
import { registerMetricsRoutes, type MetricsPort } from './routes/metrics.ts';
import { registerMigrationsRoutes, type SchemaPort } from './routes/migrations.ts';
import { registerPageRoutes } from './routes/page.ts';
import type { PlanPort } from './routes/plan.ts';
import type { LivePort } from './routes/stream.ts';

/** What the data routes read. */
export type HttpRepositories = DataReaders & {
  /** The same for one request: what it reads is cancelled when the signal aborts. */
  cancelledBy(signal: AbortSignal): DataReaders;
};

export interface HttpAppDeps {
  readonly adminToken: string | null;
  readonly logger: Logger;
  /** The application's version, for /health. */
  readonly version: string;
  readonly probes: HealthProbes;
  readonly repositories: HttpRepositories;
  readonly schema: SchemaPort;
  /** Answers /v1/plan. */
  readonly plan: PlanPort;
  /** Answers /metrics, and is told of each request. */
  readonly metrics: MetricsPort & RequestObserver;
  readonly limits: HttpLimits;
  /** Answers /v1/stream; without it that path is not there. */
  readonly live?: LivePort;
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
/** How late it may be that somebody is cut off. */
const CHECK_MS = 3_000;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** All routes with their errors, limits and headers; it does not listen yet. */
export function createHttpApp(deps: HttpAppDeps): HttpApp {
  const { probes, logger, limits } = deps;
  const app = fastify({
    // Fastify's own lines are sentences with values in them: the hooks below log instead.
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_MS,
      // Node would refuse one without with an empty body: `answerUnusualRequests` does it.
      requireHostHeader: false,
    },
    trustProxy: limits.trustedProxies.length > 0 ? [...limits.trustedProxies] : false,
    genReqId: (request) => acceptRequestId(request.headers['x-request-id']) ?? randomUUID(),
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket),
    frameworkErrors: (error, request, reply) => {
      void sendError(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  // Answers are typed by their schemas when we write them; to check each at run time would cost more than to make it.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.removeContentTypeParser('text/plain');

  const sendError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    // A connection that broke under the body is the client's, whatever else the same code means.
    const fault =
      request.raw.errored !== null && request.raw.errored === error
        ? new RequestError('BODY_MALFORMED', 'The connection broke before the whole body was here.', { cause: error })
        : readValidation(error);
    const answer = answerError(fault, {
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
      .headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', ...answer.headers })
      .type('application/problem+json')
      .send(answer.problem);
  };
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((request) => {
    const path = pathOf(request.url);
    const allowed = METHODS.filter((method) => app.hasRoute({ method, url: path }));
    if (allowed.length === 0)
      throw new RequestError(
        'ROUTE_UNKNOWN',
        `Nothing answers at ${path}: / is the page, /docs describes the API, /health tells how the service is.`,
      );
    const allow = allowed.join(', ');
    throw new RequestError('METHOD_NOT_ALLOWED', `${path} answers ${allow} only.`, { headers: { allow } });
  });

  app.addHook('onRequest', (request, reply, done) => {
    void reply.headers({
      'x-request-id': request.id,
      // What /v1 answers changes with every candle, and the rest at any moment.
      'cache-control': request.url.startsWith('/v1/') ? 'no-cache' : 'no-store',
    });
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, id, ip } = request;
    deps.metrics.observeRequest({
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

  answerUnusualRequests(app);
  registerGuards(app, limits);
  registerOpenApi(app, { version: deps.version });
  app.register((routes: HttpApp, _options, done) => {
    registerRoutes(routes, deps);
    done();
  });
  return app;
}

/** All routes, where the guards and the OpenAPI document see them. */
function registerRoutes(app: HttpApp, deps: HttpAppDeps): void {
  const { probes, repositories, logger, schema, metrics, live, signal, version, limits } = deps;
  const { uptimeSeconds = () => process.uptime() } = deps;
  const auth = new AdminAuth({ token: deps.adminToken });
  const open = (reply: FastifyReply) => repositories.cancelledBy(createRequestSignal(reply));
  weakenTagsOfCompressed(app);
  registerHealthRoutes(app, { version, probes, uptimeSeconds });
  registerMetricsRoutes(app, { metrics });
  registerPageRoutes(app);
  registerMigrationsRoutes(app, { auth, schema, probes, logger, signal });
  app.register((gated: HttpApp, _options, gatedDone) => {
    gated.addHook('onRequest', (_request, _reply, next) => {
      assertRunning(probes);
      next();
    });
    registerRateLimit(gated, limits);
    registerExportLimit(gated, limits.exports);
    gated.register((data: HttpApp, _dataOptions, done) => {
      registerDataRoutes(data, { ...deps, auth, open, shared: repositories, live });
      done();
    });
    gatedDone();
  });
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
