import type { Candle } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { HealthProbes } from '../health.ts';
import type { HttpApp } from '../http-app.ts';
import { candlesQuery, createPageLink, toWindow } from '../parameters.ts';
import { cutPage, toCandleObject } from '../rows.ts';
import { assertSeriesKnown, type BoundsReader } from '../series-lookup.ts';

/** What the route needs of ohlcv_data; rows come oldest first. */
export interface CandleReader extends BoundsReader {
  /** The first `limit` candles of the range. */
  list(series: Series, range: TimeRange, limit: number): Promise<readonly Candle[]>;
  /** The last `limit` candles that open before `before` (epoch ms). */
  listNewest(series: Series, limit: number, before: number): Promise<readonly Candle[]>;
}

export interface OhlcvRoutesDeps {
  readonly ohlcv: CandleReader;
  readonly probes: HealthProbes;
}

/**
 * `GET /v1/ohlcv`: the candles of [since, until), oldest first, in pages of `limit` that `next` links. Without
 * `since`: the newest `limit` candles before `until`.
 */
export function registerOhlcvRoutes(app: HttpApp, { ohlcv, probes }: OhlcvRoutesDeps): void {
  app.get('/v1/ohlcv', { schema: { querystring: candlesQuery } }, async (request) => {
    const { exchange, symbol, timeframe, limit, numbers } = request.query;
    const series = { exchange, symbol, timeframe };
    const window = toWindow(request.query, Date.now());
    const page =
      window.since === null
        ? { rows: await ohlcv.listNewest(series, limit, window.until), nextSince: null }
        : cutPage(await ohlcv.list(series, window, limit + 1), limit);
    if (page.rows.length === 0) await assertSeriesKnown(series, ohlcv, probes.ingestSeries());
    return {
      ...series,
      next:
        page.nextSince === null
          ? null
          : createPageLink('/v1/ohlcv', request.query, { since: page.nextSince, until: window.until }),
      data: page.rows.map((candle) => toCandleObject(candle, numbers)),
    };
  });
}
