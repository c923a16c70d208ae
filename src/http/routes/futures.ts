import { FUTURES_SLOT_MS, type FuturesSnapshot } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { RequestError } from '../errors.ts';
import type { HttpApp } from '../http-app.ts';
import { createPageLink, futuresQuery, toWindow } from '../parameters.ts';
import { cutPage, toFuturesObject } from '../rows.ts';
import { nameSome } from '../series-lookup.ts';

/** What the route needs of futures_data; rows come oldest first. */
export interface FuturesReader {
  /** The first `limit` snapshots of the range. */
  list(exchange: string, symbol: string, range: TimeRange, limit: number): Promise<readonly FuturesSnapshot[]>;
  /** The first and the last stored moment (epoch ms); null where nothing is stored. */
  findCoverage(exchange: string, symbol: string): Promise<{ readonly last: number } | null>;
  /** Everything that has snapshots. */
  listSymbols(): Promise<readonly { readonly exchange: string; readonly symbol: string }[]>;
}

export interface FuturesRoutesDeps {
  readonly futures: FuturesReader;
}

/**
 * `GET /v1/futures`: the hourly snapshots of [since, until), oldest first, in pages of `limit` that `next` links.
 * Without `since`: the newest hours, `limit` of them, before `until`.
 */
export function registerFuturesRoutes(app: HttpApp, { futures }: FuturesRoutesDeps): void {
  app.get('/v1/futures', { schema: { querystring: futuresQuery } }, async (request) => {
    const { exchange, symbol, limit, numbers } = request.query;
    const { since, until } = toWindow(request.query, Date.now());
    const range = { since: since ?? (await findStart(futures, { exchange, symbol, until, limit })), until };
    const page = cutPage(await futures.list(exchange, symbol, range, limit + 1), limit);
    if (page.rows.length === 0) await findLast(futures, exchange, symbol);
    return {
      exchange,
      symbol,
      next:
        page.nextSince === null ? null : createPageLink('/v1/futures', request.query, { since: page.nextSince, until }),
      data: page.rows.map((snapshot) => toFuturesObject(snapshot, numbers)),
    };
  });
}

/** Where `limit` hours before `until` begin; collection may have ended long before, so they count from the last row. */
async function findStart(
  futures: FuturesReader,
  { exchange, symbol, until, limit }: { exchange: string; symbol: string; until: number; limit: number },
): Promise<number> {
  const last = await findLast(futures, exchange, symbol);
  return Math.min(until, last + 1) - limit * FUTURES_SLOT_MS;
}

/**
 * The last stored moment.
 *
 * @throws RequestError SERIES_UNKNOWN (404) where nothing is stored, which names what is.
 */
async function findLast(futures: FuturesReader, exchange: string, symbol: string): Promise<number> {
  const coverage = await futures.findCoverage(exchange, symbol);
  if (coverage !== null) return coverage.last;
  const stored = await futures.listSymbols();
  const named = nameSome(stored.map((entry) => `${entry.exchange} ${entry.symbol}`));
  const neighbours = named === '' ? 'No futures data is stored at all yet.' : `Stored: ${named}.`;
  throw new RequestError(
    'SERIES_UNKNOWN',
    `No futures data of ${exchange} ${symbol} is stored. ${neighbours} ` +
      'It is collected for markets that have a perpetual, where FUTURES is true.',
  );
}
