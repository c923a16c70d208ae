import { CandleSource } from './candle-aggregation.ts';
import { createKlineSource, type KlineSource } from './klines.ts';
import { createPriceLine, type PriceLineSpec } from './price-model.ts';
import { RecordedKlines, type RecordedSeries } from './recorded-candles.ts';
import { checkMarket, PERPETUAL_TURNOVER, splitSymbol, toMarketId, type SimulatedMarket } from './symbol-catalogue.ts';

/** A spot market as it is served. */
export interface SpotListing {
  readonly id: string;
  readonly base: string;
  readonly quote: string;
  readonly tickDecimals: number;
  readonly stepDecimals: number;
  readonly listedMs: number;
  readonly haltedMs: number | null;
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
  /** Ordinary open interest, in the base currency. */
  readonly openInterest: number;
  /** For streams of noise of its own. */
  readonly key: string;
  readonly candles: CandleSource;
  readonly mark: CandleSource;
  readonly index: CandleSource;
  readonly klines: KlineSource;
  readonly markKlines: KlineSource;
}

/** Everything that is served, by Binance's market id. */
export interface Venue {
  readonly spot: ReadonlyMap<string, SpotListing>;
  readonly perpetuals: ReadonlyMap<string, PerpetualListing>;
}

/** Mark and index prices have eight decimals on every market. */
export const MARK_DECIMALS = 8;

/**
 * Builds what is served. A recorded symbol takes the place of an invented market of the same name, perpetual included.
 *
 * @throws RangeError where a market or a recording cannot be served.
 */
export function createVenue(options: {
  seed: string;
  markets: readonly SimulatedMarket[];
  recorded: readonly RecordedSeries[];
}): Venue {
  const spot = new Map<string, SpotListing>();
  const perpetuals = new Map<string, PerpetualListing>();
  const recordedSymbols = new Set(options.recorded.map(({ symbol }) => symbol));
  for (const market of options.markets) {
    if (recordedSymbols.has(market.symbol)) continue;
    checkMarket(market);
    const listing = createSpot(options.seed, market);
    if (spot.has(listing.id)) throw new RangeError(`the simulated market ${market.symbol} is given twice`);
    spot.set(listing.id, listing);
    const perpetual = createPerpetual(options.seed, market);
    if (perpetual !== null) perpetuals.set(perpetual.id, perpetual);
  }
  for (const symbol of recordedSymbols) {
    const listing = createRecorded(
      symbol,
      options.recorded.filter((series) => series.symbol === symbol),
    );
    spot.set(listing.id, listing);
  }
  return { spot, perpetuals };
}

function specOf(seed: string, market: SimulatedMarket): PriceLineSpec {
  const { symbol, level, hourlyVolatility, quotePerMinute, tickDecimals, stepDecimals } = market;
  const pathKey = `${seed}:${symbol}`;
  return { pathKey, lineKey: 'spot', level, hourlyVolatility, premium: 0, tickDecimals, stepDecimals, quotePerMinute };
}

function createSpot(seed: string, market: SimulatedMarket): SpotListing {
  const [base, quote] = splitSymbol(market.symbol);
  const { tickDecimals, stepDecimals, listedMs } = market;
  const haltedMs = market.haltedMs ?? null;
  const line = createPriceLine(specOf(seed, market));
  const klines = createKlineSource(new CandleSource({ line, listedMs, haltedMs }), 'spot');
  return { id: toMarketId(market.symbol), base, quote, tickDecimals, stepDecimals, listedMs, haltedMs, klines };
}

function createPerpetual(seed: string, market: SimulatedMarket): PerpetualListing | null {
  if (!market.perpetual) return null;
  const [base, quote] = splitSymbol(market.symbol);
  const { tickDecimals, stepDecimals, listedMs, openInterest } = market.perpetual;
  const spec = specOf(seed, market);
  const sourceOf = (changed: Partial<PriceLineSpec>) =>
    new CandleSource({ line: createPriceLine({ ...spec, ...changed }), listedMs, haltedMs: market.haltedMs ?? null });
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
    openInterest,
    key: `${seed}:${market.symbol}`,
    candles,
    mark,
    index: sourceOf({ ...untraded, lineKey: 'index' }),
    klines: createKlineSource(candles, 'futures'),
    markKlines: createKlineSource(mark, 'futures'),
  };
}

function createRecorded(symbol: string, series: readonly RecordedSeries[]): SpotListing {
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
    klines,
  };
}
