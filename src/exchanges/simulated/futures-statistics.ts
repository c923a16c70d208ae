import type { Decimal } from '../../market/decimal.ts';
import { floorToInterval, nextOpening, type BinanceInterval } from './binance-interval.ts';
import { formatUnits } from './decimal-text.ts';
import { createOctaves, mixHash, seedOf, sumOctaves } from './noise.ts';
import { premiumAt } from './price-model.ts';
import { MARK_DECIMALS, type PerpetualListing } from './venue.ts';

const HOUR_MS = 3_600_000;
/** Every perpetual settles its funding every eight hours, at 00:00, 08:00 and 16:00 UTC. */
export const FUNDING_INTERVAL_MS = 8 * HOUR_MS;

/** One settlement. Binance stamps it 0 to 19 ms after its slot. */
export interface FundingEvent {
  readonly symbol: string;
  readonly fundingTime: number;
  readonly fundingRate: Decimal;
  readonly markPrice: Decimal;
}

/** The funding rate of the slot, as a fraction with eight decimals. */
export function fundingRateAt(listing: PerpetualListing, slotMs: number): Decimal {
  const hour = slotMs / HOUR_MS;
  const { line } = listing.candles;
  const premium = [1, 3, 5, 7].reduce((sum, back) => sum + premiumAt(line, hour - back), 0) / 4;
  // Binance's rule: the premium, drawn towards 0.01 % by at most 0.05 %, so quiet times settle at exactly 0.01 %.
  // https://www.binance.com/en/support/faq/introduction-to-binance-futures-funding-rates-360033525031
  const rate = premium + Math.max(-0.000_5, Math.min(0.000_5, 0.000_1 - premium));
  return signedUnits(Math.round(rate * 1e8), 8);
}

/** The settlements with `fundingTime` from `startMs` to `endMs` (inclusive), oldest first, at most `limit`. */
export function listFunding(
  listing: PerpetualListing,
  { startMs, endMs, limit, nowMs }: { startMs: number | null; endMs: number | null; limit: number; nowMs: number },
): FundingEvent[] {
  const last = Math.min(endMs ?? Infinity, nowMs);
  const events: FundingEvent[] = [];
  const firstSlot = Math.max(startMs ?? 0, listing.listedMs + 1);
  const isForward = startMs !== null;
  let slot = Math.floor((isForward ? firstSlot : last) / FUNDING_INTERVAL_MS) * FUNDING_INTERVAL_MS;
  const step = isForward ? FUNDING_INTERVAL_MS : -FUNDING_INTERVAL_MS;
  for (; slot >= firstSlot - FUNDING_INTERVAL_MS && slot <= last && events.length < limit; slot += step) {
    const fundingTime = slot + delayOf(listing, slot);
    if (slot <= listing.listedMs || fundingTime < (startMs ?? 0) || fundingTime > last) continue;
    events.push({
      symbol: listing.id,
      fundingTime,
      fundingRate: fundingRateAt(listing, slot),
      markPrice: formatUnits(listing.mark.findPrice(slot) ?? 0, MARK_DECIMALS),
    });
  }
  return isForward ? events : events.reverse();
}

function delayOf(listing: PerpetualListing, slotMs: number): number {
  const bits = mixHash(seedOf(`${listing.key}:delay`), slotMs / FUNDING_INTERVAL_MS);
  return bits % 3 === 0 ? 0 : 1 + ((bits >>> 8) % 19);
}

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

function signedUnits(units: number, decimals: number): Decimal {
  return `${units < 0 ? '-' : ''}${formatUnits(Math.abs(units), decimals)}` as Decimal;
}
