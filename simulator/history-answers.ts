import { DAY_MS } from '../src/market/moments.ts';
import { ceilToInterval, floorToInterval, type BinanceInterval } from './binance-interval.ts';
import { listFunding } from './funding.ts';
import { OPEN_INTEREST, TAKER_VOLUMES, TOP_TRADER_POSITIONS, type StatisticsSource } from './futures-statistics.ts';
import { findListing, invalid, type RequestParameters } from './request-parameters.ts';
import type { PerpetualListing } from './market-listing.ts';
import { WireError } from './wire-error.ts';

/** The endpoints under /futures/data, by path. */
export const STATISTICS: ReadonlyMap<string, StatisticsSource> = new Map([
  ['/futures/data/openInterestHist', OPEN_INTEREST],
  ['/futures/data/topLongShortPositionRatio', TOP_TRADER_POSITIONS],
  ['/futures/data/takerlongshortRatio', TAKER_VOLUMES],
]);

const PERIODS: readonly BinanceInterval[] = ['5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'];
/** Statistics are kept for this long. */
const STATISTICS_DEPTH_MS = 30 * DAY_MS;
const STATISTICS_LIMIT = 500;
const FUNDING_LIMIT = 1_000;

/**
 * Rows of the statistics of [startTime, endTime], oldest first, at most `limit` (30 unless sent) of them: the newest
 * ones, so who sends a startTime should send an endTime too.
 */
export function listStatistics(
  source: StatisticsSource,
  listing: PerpetualListing,
  parameters: RequestParameters,
  nowMs: number,
): object[] {
  const period = parameters.interval('period', PERIODS);
  const limit = parameters.limit({ ordinary: 30, most: Infinity });
  if (limit > STATISTICS_LIMIT) throw invalid('limit');
  const startMs = parameters.findInteger('startTime');
  const endMs = parameters.findInteger('endTime');
  const oldestMs = nowMs - STATISTICS_DEPTH_MS;
  if (startMs !== null && startMs < oldestMs) throw invalid('startTime');
  if (endMs !== null && endMs < (startMs ?? oldestMs)) throw invalid('endTime');
  const first = ceilToInterval(Math.max(startMs ?? 0, oldestMs, listing.listedMs), period);
  const newest = Math.min(source.newest(period, nowMs), listing.candles.haltedMs - 1);
  const times: number[] = [];
  let at = floorToInterval(Math.min(endMs ?? Infinity, newest), period);
  for (; at >= first && times.length < limit; at = floorToInterval(at - 1, period)) times.push(at);
  return times.reverse().map((timeMs) => source.row(listing, timeMs, period));
}

/** Settlements of one perpetual, or of all where no symbol is sent: oldest first, `limit` (100 unless sent) of them. */
export function listFundingAnswer(
  listings: ReadonlyMap<string, PerpetualListing>,
  parameters: RequestParameters,
  nowMs: number,
): object[] {
  const limit = parameters.limit({ ordinary: 100, most: Infinity });
  if (limit > FUNDING_LIMIT) {
    // This endpoint refuses in a shape of its own (seen in the wild, see freqtrade's issue 10531).
    throw new WireError(400, {
      status: 'ERROR',
      type: 'VALID',
      code: '000002',
      errorData: { limit: `limit can not greater than ${FUNDING_LIMIT}` },
      data: null,
      subData: null,
      params: null,
    });
  }
  const symbol = parameters.find('symbol');
  const startMs = parameters.findInteger('startTime');
  const endMs = parameters.findInteger('endTime');
  const events = (symbol === null ? [...listings.values()] : [findListing(listings, symbol)])
    .flatMap((listing) => listFunding(listing, { startMs, endMs, limit, nowMs }))
    .sort((a, b) => a.fundingTime - b.fundingTime);
  return startMs === null ? events.slice(-limit) : events.slice(0, limit);
}
