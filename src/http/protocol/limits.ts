import fastifyCompress from '@fastify/compress';
import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientOf } from './client-of.ts';
import { RequestError } from './errors.ts';
import type { HttpApp } from './http-app.ts';
import { MINUTE_MS } from '../../market/moments.ts';

/** How many exports may run, so that the other requests find a free connection to the database. */
export interface ExportLimits {
  /** An export may have two statements running, and the pool has ten connections. */
  readonly all: number;
  readonly perClient: number;
  /** An export whose client takes nothing for so long is cut off. */
  readonly patienceMs: number;
}

/** Who may ask from where, and how often. */
export interface HttpLimits {
  /** Origins whose pages may read the answers; `*` is all, none switches CORS off. */
  readonly corsOrigins: readonly string[];
  /** How many requests of the data routes one client may send in a minute; 0: any number. */
  readonly rateLimitPerMinute: number;
  /** Addresses and networks (CIDR) whose x-forwarded-for is believed; none: nobody's is. */
  readonly trustedProxies: readonly string[];
  /** Where they are not to be the usual ones. */
  readonly exports?: Partial<ExportLimits>;
}

/** What a page of ours may load: nothing from anywhere else, nothing inline. */
export const CONTENT_SECURITY_POLICY = {
  'default-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
  'object-src': ["'none'"],
};

/** Answers below this are as long compressed as not. */
const COMPRESS_FROM_BYTES = 1024;
/** Clients remembered at once. */
const MAX_CLIENTS = 10_000;
/** A body that was refused is read and dropped up to here, so that its sender can read the refusal. */
const MAX_DROPPED_BODY = 64 * 1024 * 1024;
/** Not event streams, whose events would wait in the compressor, and not Parquet, which is compressed already. */
const COMPRESSIBLE = /^text\/(?!event-stream)|(?:[+/])(?:json|javascript|xml|x-ndjson|ndjson|yaml|x-yaml)(?:;|$)/u;

/** Security headers, CORS and compression, for every route that is put on `app` by later plugins. */
export function registerGuards(app: HttpApp, { corsOrigins }: Pick<HttpLimits, 'corsOrigins'>): void {
  app.register(fastifyHelmet, {
    contentSecurityPolicy: { useDefaults: false, directives: CONTENT_SECURITY_POLICY },
    // We speak plain HTTP: whether the host's other services must be asked by HTTPS, the proxy in front of us knows.
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
  });
  if (corsOrigins.length > 0)
    app.register(fastifyCors, {
      origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
      // Reading only: what changes something is not for the pages of others.
      methods: ['GET', 'HEAD'],
      allowedHeaders: ['accept', 'cache-control', 'if-none-match', 'last-event-id', 'x-request-id'],
      exposedHeaders: ['*'],
      maxAge: 600,
      strictPreflight: false,
    });
  app.register(fastifyCompress, {
    threshold: COMPRESS_FROM_BYTES,
    encodings: ['br', 'gzip'],
    customTypes: COMPRESSIBLE,
    globalDecompression: false,
  });
  app.addHook('onSend', readRefusedBody);
}

/** Makes the entity tags of compressed answers weak; to be called where the routes are, before they are. */
export function weakenTagsOfCompressed(routes: HttpApp): void {
  // Hooks of a route run after those of its surroundings, and this one after the compressor's.
  routes.addHook('onRoute', (route) => {
    route.onSend = [route.onSend ?? []].flat().concat(weakenTag);
  });
}

/** Counts the requests of each client to the routes that are put on `data` by later plugins. */
export function registerRateLimit(data: HttpApp, { rateLimitPerMinute }: Pick<HttpLimits, 'rateLimitPerMinute'>): void {
  if (rateLimitPerMinute === 0) return;
  data.register(fastifyRateLimit, {
    max: rateLimitPerMinute,
    timeWindow: MINUTE_MS,
    cache: MAX_CLIENTS,
    keyGenerator: (request) => clientOf(request.ip),
    enableDraftSpec: true,
    errorResponseBuilder: (_request, { max, ttl }) =>
      new RequestError(
        'RATE_LIMITED',
        `One client may send ${max} requests in a minute: wait ${Math.ceil(ttl / 1000)} s, and ask for more rows at once (limit, format=csv).`,
      ),
  });
}

/** RFC 9110, 8.8.1: the bytes of a compressed answer are not those of the plain one, so they may not share a strong tag. */
function weakenTag(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void,
): void {
  const tag = reply.getHeader('etag');
  if (typeof tag === 'string' && tag.startsWith('"') && reply.hasHeader('content-encoding'))
    void reply.header('etag', `W/${tag}`);
  done(null, payload);
}

/** Who hangs up on a body that is still arriving resets the connection, and the sender never sees the refusal. */
function readRefusedBody(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void,
): void {
  const { raw } = request;
  if (reply.statusCode === 413 && !raw.complete) {
    void reply.removeHeader('connection');
    let left = MAX_DROPPED_BODY;
    raw.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) raw.destroy();
    });
  }
  done(null, payload);
}
