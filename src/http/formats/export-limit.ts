import type { FastifyReply } from 'fastify';
import { clientOf } from '../protocol/client-of.ts';
import { RequestError } from '../protocol/errors.ts';
import { chooseFormat, isExportFormat, type Format } from './choose-format.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { MINUTE_MS } from '../../market/moments.ts';

/** How many exports may run, so that the other requests find a free connection to the database. */
export interface ExportLimits {
  /** An export may have two statements running, and the pool has ten connections. */
  readonly all: number;
  readonly perClient: number;
  /** An export whose client takes nothing for so long is cut off. */
  readonly patienceMs: number;
}

const LIMITS: ExportLimits = { all: 4, perClient: 3, patienceMs: MINUTE_MS };
const EXPORTING_ROUTES: ReadonlySet<string | undefined> = new Set(['/v1/ohlcv', '/v1/recent', '/v1/futures']);
const RETRY_AFTER_S = '5';

/**
 * Refuses exports above the limits on the routes that are put on `data` by later plugins, with RATE_LIMITED (429, with
 * Retry-After), and ends those that nobody reads.
 */
export function registerExportLimit(data: HttpApp, given: Partial<ExportLimits> = {}): void {
  const limits = { ...LIMITS, ...given };
  const running = new Map<string, number>();
  let all = 0;
  // Not earlier: the query has been validated here.
  data.addHook('preHandler', (request, reply, done) => {
    const { format } = request.query as { format?: Format };
    const isExport =
      EXPORTING_ROUTES.has(request.routeOptions.url) && isExportFormat(chooseFormat(format, request.headers.accept));
    if (!isExport || reply.raw.destroyed) {
      done();
      return;
    }
    const client = clientOf(request.ip);
    const own = running.get(client) ?? 0;
    if (own >= limits.perClient)
      throw refusal(`One client may have ${limits.perClient} exports running: let one of yours end first.`);
    if (all >= limits.all)
      throw refusal(`${limits.all} exports are running, which is the limit: come back in some seconds.`);
    all++;
    running.set(client, own + 1);
    reply.raw.once('close', () => {
      all--;
      const left = (running.get(client) ?? 1) - 1;
      if (left === 0) running.delete(client);
      else running.set(client, left);
    });
    endUnread(reply, limits.patienceMs);
    done();
  });
}

function endUnread({ raw }: FastifyReply, patienceMs: number): void {
  // The socket lets the first timeout after a write pass, because the system has taken some of what was written.
  raw.setTimeout(Math.ceil(patienceMs / 2), () => {
    // Where nothing waits for the client, it is we who are slow.
    if (raw.writableLength > 0 || (raw.socket?.writableLength ?? 0) > 0) raw.destroy();
  });
}

function refusal(detail: string): RequestError {
  return new RequestError('RATE_LIMITED', detail, { headers: { 'retry-after': RETRY_AFTER_S } });
}
