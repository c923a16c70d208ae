import { CandleAggregator } from './candle-aggregation.ts';
import { createKlineSource, type KlineSource } from './klines.ts';
import { createPriceLine, type PriceLineSpec } from './price-model.ts';
import { RecordedKlines, type RecordedSeries } from './recorded-candles.ts';
import {
  ORDINARY_FUNDING_HOURS,
  PERPETUAL_TURNOVER,
  splitSymbol,
  toMarketId,
  type FundingInterval,
  type SimulatedMarket,
} from './symbol-catalogue.ts';

/** A spot market as it is served. */
export interface SpotListing {
  readonly id: string;
  readonly base: string;
  readonly quote: string;
  readonly tickDecimals: number;
  readonly stepDecimals: number;
  readonly listedMs: number;
  readonly haltedMs: number | null;
  /** From when on it is no longer known at all; Infinity where it is. */
  readonly removedMs: number;
  readonly klines: KlineSource;
}

/** A linear perpetual as it is served. */
export interface PerpetualListing {
  readonly id: string;
  readonly base: string;
  readonly quote: string;
  readonly tickDecimals: number;
  readonly stepDecimals: number;
  readonly listedMs: number;
  /** As of the spot listing. */
  readonly removedMs: number;
  /** Ordinary open interest, in the base currency. */
  readonly openInterest: number;
  /** Oldest first; the first one begins before anything was listed. */
  readonly funding: readonly FundingInterval[];
  /** For streams of noise of its own. */
  readonly key: string;
  readonly candles: CandleAggregator;
  readonly mark: CandleAggregator;
  readonly index: CandleAggregator;
  readonly klines: KlineSource;
  readonly markKlines: KlineSource;
}

/** Mark and index prices have eight decimals on every market. */
export const MARK_DECIMALS = 8;

/** Whether a market is known to the exchange at the moment; a halted one is. */
export function isListed(listing: { readonly listedMs: number; readonly removedMs: number }, nowMs: number): boolean {
  return listing.listedMs <= nowMs && nowMs < listing.removedMs;
}

function specOf(seed: string, market: SimulatedMarket): PriceLineSpec {
  const { symbol, level, hourlyVolatility, quotePerMinute, tickDecimals, stepDecimals } = market;
  const pathKey = `${seed}:${symbol}`;
  return { pathKey, lineKey: 'spot', level, hourlyVolatility, premium: 0, tickDecimals, stepDecimals, quotePerMinute };
}

/** The spot market. */
export function createSpot(seed: string, market: SimulatedMarket): SpotListing {
  const [base, quote] = splitSymbol(market.symbol);
  const { tickDecimals, stepDecimals, listedMs } = market;
  const haltedMs = market.haltedMs ?? null;
  const line = createPriceLine(specOf(seed, market));
  const klines = createKlineSource(new CandleAggregator({ line, listedMs, haltedMs }), 'spot');
  const shown = { base, quote, tickDecimals, stepDecimals, listedMs, haltedMs };
  return { ...shown, id: toMarketId(market.symbol), removedMs: Infinity, klines };
}

/** Its perpetual, or null where it has none. */
export function createPerpetual(seed: string, market: SimulatedMarket): PerpetualListing | null {
  if (!market.perpetual) return null;
  const [base, quote] = splitSymbol(market.symbol);
  const { tickDecimals, stepDecimals, listedMs, openInterest } = market.perpetual;
  const spec = specOf(seed, market);
  const sourceOf = (changed: Partial<PriceLineSpec>) =>
    new CandleAggregator({
      line: createPriceLine({ ...spec, ...changed }),
      listedMs,
      haltedMs: market.haltedMs ?? null,
    });
  const untraded = { tickDecimals: MARK_DECIMALS, stepDecimals: 0, quotePerMinute: 0 };
  const quotePerMinute = market.quotePerMinute * PERPETUAL_TURNOVER;
  const candles = sourceOf({ lineKey: 'perpetual', premium: 1, tickDecimals, stepDecimals, quotePerMinute });
  const mark = sourceOf({ ...untraded, lineKey: 'mark', premium: 0.7 });
  return {
    id: toMarketId(market.symbol),
    base,
    quote,
    tickDecimals,
    stepDecimals,
    listedMs,
    removedMs: Infinity,
    openInterest,
    funding: [{ sinceMs: -Infinity, hours: ORDINARY_FUNDING_HOURS }, ...(market.perpetual.funding ?? [])],
    key: `${seed}:${market.symbol}`,
    candles,
    mark,
    index: sourceOf({ ...untraded, lineKey: 'index' }),
    klines: createKlineSource(candles, 'futures'),
    markKlines: createKlineSource(mark, 'futures'),
  };
}

/** A market of recorded candles; it has no perpetual and no halt. */
export function createRecorded(symbol: string, series: readonly RecordedSeries[]): SpotListing {
  const [base, quote] = splitSymbol(symbol);
  const klines = new RecordedKlines(series);
  const { price, volume } = klines.decimals;
  return {
    id: toMarketId(symbol),
    base,
    quote,
    tickDecimals: price,
    stepDecimals: volume,
    listedMs: Math.min(...series.map(({ candles }) => candles[0]?.[0] ?? Infinity)),
    haltedMs: null,
    removedMs: Infinity,
    klines,
  };
}
