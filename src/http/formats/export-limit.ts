import type { FastifyReply } from 'fastify';
import { clientOf } from '../protocol/client-of.ts';
import { RequestError } from '../protocol/errors.ts';
import { chooseFormat } from './choose-format.ts';
import { isExportFormat, type Format } from './formats.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { ExportLimits } from '../protocol/limits.ts';
import { MINUTE_MS } from '../../market/moments.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route answers in every format, so that its exports are counted. */
    exports?: boolean;
  }
}

const LIMITS: ExportLimits = { all: 4, perClient: 3, patienceMs: MINUTE_MS };
const RETRY_AFTER_S = '5';

/**
 * Refuses exports above the limits on the routes with `config: { exports: true }` that are put on `data` by later
 * plugins, with RATE_LIMITED (429, with Retry-After), and ends those that nobody reads.
 */
export function registerExportLimit(data: HttpApp, given: Partial<ExportLimits> = {}): void {
  const limits = { ...LIMITS, ...given };
  const running = new Map<string, number>();
  let all = 0;
  // Not earlier: the query has been validated here.
  data.addHook('preHandler', (request, reply, done) => {
    const { format } = request.query as { format?: Format };
    const isExport =
      request.routeOptions.config.exports === true && isExportFormat(chooseFormat(format, request.headers.accept));
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
