import type { FastifyReply } from 'fastify';
import { clientOf } from '../protocol/client-of.ts';
import { RequestError } from '../protocol/errors.ts';
import type { HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { LiveClient } from '../live/live-client.ts';
import { isExact, matchesSeries, type StreamFilter } from '../live/stream-filter.ts';
import { streamHeaders, streamQuery, toFilter } from '../live/stream-query.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute, TEXT_BODY } from '../protocol/route-schema.ts';
import { nameSome, type BoundsReader } from '../query/series-lookup.ts';

/** What the route needs of those who publish. */
export interface LivePort {
  /** The body of a new stream, which counts for the client `owner`; throws RequestError STREAMS_EXHAUSTED. */
  subscribe(filter: StreamFilter, lastEventId: string | null, owner: string): Promise<LiveClient>;
}

export interface StreamRoutesDeps {
  /** Without it the route is not there. */
  readonly live: LivePort | undefined;
  readonly open: OpenReaders<{ readonly ohlcv: BoundsReader }>;
  readonly probes: HealthProbes;
}

const DESCRIPTION = `Server-sent events, as browsers' \`EventSource\` reads them. \`data\` is one JSON object.

- \`candle\`: a candle was stored.
- \`revision\`: the exchange told a stored candle otherwise; \`old\` and \`new\` values.
- \`history\`: \`candles\` older ones were stored, too many or too old to be told one by one: read /v1/ohlcv.
- \`gap\`: how many candles of a series are \`missing\`, and where (\`since\`, \`until\`), or \`lost\` (refused, or deleted by the exchange before they were stored), has changed; it is \`complete\` where both are 0.
- \`health\`: the service's state has changed; also the first event.
- \`dropped\`: you read too slowly and lost \`count\` events \`since\`; come back with \`resume_from\` as Last-Event-ID.
- \`reset\`: your Last-Event-ID is too old or none of ours, for the \`reason\`: read what you need, this stream goes on from now.

Who comes back with \`Last-Event-ID\` is told what was stored meanwhile; some of it may have been told before, so take
(exchange, symbol, timeframe, timestamp) as the key. After a restart of the service, or from another replica of it, that is
new candles and \`revision\`s, and a \`gap\` for each series with what is missing now; older history that was filled
meanwhile is not told: where that matters, read /v1/ohlcv again. A comment comes each 15 seconds while nothing else does.`;

/** `GET /v1/stream`: what is stored, as it is stored. */
export function registerStreamRoutes(app: HttpApp, { live, open, probes }: StreamRoutesDeps): void {
  if (!live) return;
  app.get(
    '/v1/stream',
    {
      // The answer to HEAD would have to be the answer to GET without its body, which never ends.
      exposeHeadRoute: false,
      schema: describeRoute(
        {
          id: 'streamCandles',
          chapter: 'Live',
          access: 'data',
          summary: 'Candles as they are stored',
          description: DESCRIPTION,
          problems: ['SERIES_UNKNOWN', 'STREAMS_EXHAUSTED'],
          answers: { 200: { description: 'Events, without an end', content: { 'text/event-stream': TEXT_BODY } } },
        },
        { querystring: streamQuery, headers: streamHeaders },
      ),
    },
    async (request, reply): Promise<FastifyReply> => {
      const filter = toFilter(request.query);
      await assertSomethingMatches(filter, open(reply).ohlcv, probes);
      const lastEventId = request.headers['last-event-id'] ?? request.query.last_event_id ?? null;
      const client = await live.subscribe(filter, lastEventId, clientOf(request.ip));
      // It may have gone while we asked the database.
      reply.raw.once('close', () => client.destroy());
      if (reply.raw.destroyed) client.destroy();
      return await reply
        .headers({
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-cache, no-transform',
          // nginx would hold events back to fill its buffers.
          'x-accel-buffering': 'no',
        })
        .send(client);
    },
  );
}

/** A stream that could never say anything is a mistake: SERIES_UNKNOWN (404). Wildcards may wait for new markets. */
async function assertSomethingMatches(filter: StreamFilter, ohlcv: BoundsReader, probes: HealthProbes): Promise<void> {
  if (!isExact(filter)) return;
  const collected = probes.ingestSeries().filter(({ state }) => state !== 'refused');
  if (collected.some((series) => matchesSeries(filter, series))) return;
  const stored = await ohlcv.listBounds();
  if (stored.some((series) => matchesSeries(filter, series))) return;
  const named = nameSome(
    [...stored, ...collected].map(({ exchange, symbol, timeframe }) => `${exchange} ${symbol} ${timeframe}`),
  );
  throw new RequestError(
    'SERIES_UNKNOWN',
    `Nothing that is stored or collected is meant by exchange, symbol and timeframe. ` +
      `${named === '' ? 'Nothing is stored at all yet.' : `There is ${named}.`} GET /v1/series lists all.`,
  );
}
