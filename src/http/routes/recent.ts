import type { Candle } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { timeframeMs } from '../../market/timeframe.ts';
import { RequestError } from '../errors.ts';
import type { HealthProbes } from '../health.ts';
import type { HttpApp } from '../http-app.ts';
import { candlesQuery, createPageLink, toWindow } from '../parameters.ts';
import { cutPage, toCandleObject } from '../rows.ts';
import { assertSeriesKnown, type BoundsReader } from '../series-lookup.ts';

/** What the route needs of the view recent_ohlcv; rows come oldest first. */
export interface RecentCandleReader {
  list(series: Series, range: TimeRange, limit: number): Promise<readonly Candle[]>;
  /** False until the view was refreshed for the first time: reading it fails before. */
  isPopulated(): Promise<boolean>;
}

export interface RecentRoutesDeps {
  readonly recentOhlcv: RecentCandleReader;
  readonly ohlcv: BoundsReader;
  readonly probes: HealthProbes;
}

/**
 * `GET /v1/recent`: as /v1/ohlcv, out of the view of the last seven days as of its last refresh (`refreshed_at`).
 * Without `since`: the last `limit` opening times before `until`.
 */
export function registerRecentRoutes(app: HttpApp, { recentOhlcv, ohlcv, probes }: RecentRoutesDeps): void {
  app.get('/v1/recent', { schema: { querystring: candlesQuery } }, async (request) => {
    const { exchange, symbol, timeframe, limit, numbers } = request.query;
    const series = { exchange, symbol, timeframe };
    const { since, until } = toWindow(request.query, Date.now());
    if (!(await recentOhlcv.isPopulated()))
      throw new RequestError(
        'NOT_POPULATED',
        'recent_ohlcv is filled by its first refresh; /v1/ohlcv answers already.',
        {
          headers: { 'retry-after': '10' },
        },
      );
    const range = { since: since ?? until - limit * timeframeMs(timeframe), until };
    const page = cutPage(await recentOhlcv.list(series, range, limit + 1), limit);
    if (page.rows.length === 0) await assertSeriesKnown(series, ohlcv, probes.ingestSeries());
    return {
      ...series,
      refreshed_at: probes.recentOhlcv().refreshed_at,
      next:
        page.nextSince === null ? null : createPageLink('/v1/recent', request.query, { since: page.nextSince, until }),
      data: page.rows.map((candle) => toCandleObject(candle, numbers)),
    };
  });
}
