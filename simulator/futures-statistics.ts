import { HOUR_MS } from '../src/market/moments.ts';
import { floorToInterval, nextOpening, type BinanceInterval } from './binance-interval.ts';
import { formatUnits } from './decimal-text.ts';
import { createOctaves, sumOctaves } from './noise.ts';
import { MARK_DECIMALS, type PerpetualListing } from './market-listing.ts';

/** What Binance's statistics endpoints know of one moment; the period starts there. */
export interface StatisticsSource {
  /** The newest opening time that has a row at `nowMs`, or null. */
  readonly newest: (period: BinanceInterval, nowMs: number) => number;
  readonly row: (listing: PerpetualListing, timeMs: number, period: BinanceInterval) => object;
}

/** Open interest at the moment, in steps of the base currency: wanders over weeks, a little from hour to hour. */
export function openInterestAt(listing: PerpetualListing, timeMs: number): number {
  const octaves = createOctaves(`${listing.key}:open-interest`, [2_311, 401, 61.3, 7.9, 1.13], (period) =>
    Math.min(0.3, 0.006 * Math.sqrt(period)),
  );
  const amount = listing.openInterest * Math.exp(sumOctaves(octaves, timeMs / HOUR_MS));
  return Math.round(amount * 10 ** listing.stepDecimals);
}

export const OPEN_INTEREST: StatisticsSource = {
  newest: (period, nowMs) => floorToInterval(nowMs, period),
  row: (listing, timeMs) => {
    const steps = BigInt(openInterestAt(listing, timeMs));
    const value = steps * BigInt(listing.mark.findPrice(timeMs) ?? 0);
    return {
      symbol: listing.id,
      sumOpenInterest: formatUnits(steps, listing.stepDecimals, 8),
      sumOpenInterestValue: formatUnits(value / 10n ** BigInt(listing.stepDecimals), MARK_DECIMALS),
      timestamp: timeMs,
    };
  },
};

export const TOP_TRADER_POSITIONS: StatisticsSource = {
  newest: (period, nowMs) => floorToInterval(nowMs, period),
  row: (listing, timeMs) => {
    const octaves = createOctaves(`${listing.key}:top-traders`, [719, 97, 13.3, 2.3], () => 0.05);
    const long = Math.round((0.56 + sumOctaves(octaves, timeMs / HOUR_MS)) * 10_000);
    return {
      symbol: listing.id,
      longAccount: formatUnits(long, 4),
      longShortRatio: formatUnits(Math.round((long / (10_000 - long)) * 10_000), 4),
      shortAccount: formatUnits(10_000 - long, 4),
      timestamp: timeMs,
    };
  },
};

/** The taker volumes of the perpetual's own candle of that period, so that both answers agree. */
export const TAKER_VOLUMES: StatisticsSource = {
  newest: (period, nowMs) => floorToInterval(floorToInterval(nowMs, period) - 1, period),
  row: (listing, timeMs, period) => {
    const nowMs = nextOpening(timeMs, period);
    const [candle] = listing.candles.listCandles({ interval: period, startMs: timeMs, endMs: timeMs, limit: 1, nowMs });
    const buy = candle?.takerVolume ?? 0;
    const sell = (candle?.volume ?? 0) - buy;
    return {
      buySellRatio: formatUnits(sell === 0 ? 0 : Math.round((buy / sell) * 10_000), 4),
      sellVol: formatUnits(sell, listing.stepDecimals, 4),
      buyVol: formatUnits(buy, listing.stepDecimals, 4),
      timestamp: timeMs,
    };
  },
};
