import type { Decimal } from '../src/market/decimal.ts';
import { HOUR_MS } from '../src/market/moments.ts';
import { formatUnits } from './decimal-text.ts';
import { MARK_DECIMALS, type PerpetualListing } from './market-listing.ts';
import { mixHash, seedOf } from './noise.ts';
import { premiumAt } from './price-model.ts';
import { ORDINARY_FUNDING_HOURS } from './symbol-catalogue.ts';

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

/** The interval that holds at the moment, in hours. */
export function fundingHoursAt(listing: PerpetualListing, timeMs: number): number {
  return listing.funding.findLast(({ sinceMs }) => sinceMs <= timeMs)?.hours ?? ORDINARY_FUNDING_HOURS;
}

/** The last slot at or before the moment, whether the market traded then or not. */
export function floorToSettlement(listing: PerpetualListing, timeMs: number): number {
  let slot = Math.floor(timeMs / HOUR_MS) * HOUR_MS;
  while (!isSlot(listing, slot)) slot -= HOUR_MS;
  return slot;
}

/** The first slot after the moment. */
export function nextSettlement(listing: PerpetualListing, timeMs: number): number {
  let slot = (Math.floor(timeMs / HOUR_MS) + 1) * HOUR_MS;
  while (!isSlot(listing, slot)) slot += HOUR_MS;
  return slot;
}

/** The settlements with `fundingTime` from `startMs` to `endMs` (inclusive), oldest first, at most `limit`. */
export function listFunding(
  listing: PerpetualListing,
  { startMs, endMs, limit, nowMs }: { startMs: number | null; endMs: number | null; limit: number; nowMs: number },
): FundingEvent[] {
  // At the very moment of a halt nothing is settled any more.
  const last = Math.min(endMs ?? Infinity, nowMs, listing.candles.haltedMs - 1);
  const isForward = startMs !== null;
  const events: FundingEvent[] = [];
  let slot = floorToSettlement(listing, isForward ? Math.max(startMs, listing.listedMs) : last);
  while (slot >= 0 && slot <= last && events.length < limit) {
    const event = slot > listing.listedMs ? settle(listing, slot) : null;
    if (event === null && !isForward) break;
    if (event !== null && event.fundingTime >= (startMs ?? 0) && event.fundingTime <= last) events.push(event);
    slot = isForward ? nextSettlement(listing, slot) : floorToSettlement(listing, slot - 1);
  }
  return isForward ? events : events.reverse();
}

function settle(listing: PerpetualListing, slotMs: number): FundingEvent {
  return {
    symbol: listing.id,
    fundingTime: slotMs + delayOf(listing, slotMs),
    fundingRate: fundingRateAt(listing, slotMs),
    markPrice: formatUnits(listing.mark.findPrice(slotMs) ?? 0, MARK_DECIMALS),
  };
}

function isSlot(listing: PerpetualListing, slotMs: number): boolean {
  return slotMs % (fundingHoursAt(listing, slotMs) * HOUR_MS) === 0;
}

function delayOf(listing: PerpetualListing, slotMs: number): number {
  const bits = mixHash(seedOf(`${listing.key}:delay`), slotMs / HOUR_MS);
  return bits % 3 === 0 ? 0 : 1 + ((bits >>> 8) % 19);
}

function signedUnits(units: number, decimals: number): Decimal {
  return `${units < 0 ? '-' : ''}${formatUnits(Math.abs(units), decimals)}` as Decimal;
}
