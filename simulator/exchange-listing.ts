import { formatUnits } from './decimal-text.ts';
import { BUDGET_LIMITS } from './weight-counter.ts';
import type { PerpetualListing, SpotListing } from './market-listing.ts';

/** Perpetuals are delivered at this far date: Binance's way to say never. */
const NEVER_DELIVERED_MS = 4_133_404_800_000;
const LARGEST = '9000000000';

/** Binance's spot exchangeInfo for the listings, at the moment `nowMs`. */
export function describeSpot(listings: Iterable<SpotListing>, nowMs: number): object {
  return {
    timezone: 'UTC',
    serverTime: nowMs,
    rateLimits: [weightLimit(BUDGET_LIMITS.spot.limit)],
    exchangeFilters: [],
    symbols: [...listings].map((listing) => describeSpotSymbol(listing, nowMs)),
  };
}

function describeSpotSymbol(listing: SpotListing, nowMs: number): object {
  const { id, base, quote, tickDecimals, stepDecimals, haltedMs } = listing;
  const isHalted = haltedMs !== null && haltedMs <= nowMs;
  const tickSize = formatUnits(1, tickDecimals, 8);
  const stepSize = formatUnits(1, stepDecimals, 8);
  return {
    symbol: id,
    status: isHalted ? 'BREAK' : 'TRADING',
    baseAsset: base,
    baseAssetPrecision: 8,
    quoteAsset: quote,
    quotePrecision: 8,
    quoteAssetPrecision: 8,
    baseCommissionPrecision: 8,
    quoteCommissionPrecision: 8,
    orderTypes: ['LIMIT', 'LIMIT_MAKER', 'MARKET'],
    icebergAllowed: true,
    ocoAllowed: true,
    quoteOrderQtyMarketAllowed: true,
    allowTrailingStop: false,
    isSpotTradingAllowed: !isHalted,
    isMarginTradingAllowed: false,
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: tickSize, maxPrice: `${LARGEST}.00000000`, tickSize },
      { filterType: 'LOT_SIZE', minQty: stepSize, maxQty: `${LARGEST}.00000000`, stepSize },
      { filterType: 'NOTIONAL', minNotional: '5.00000000', applyMinToMarket: true, avgPriceMins: 5 },
    ],
    permissions: [],
    permissionSets: [['SPOT']],
  };
}

/** Binance's USDT-M futures exchangeInfo for the listings, at the moment `nowMs`. */
export function describePerpetuals(listings: readonly PerpetualListing[], nowMs: number): object {
  return {
    timezone: 'UTC',
    serverTime: nowMs,
    futuresType: 'U_MARGINED',
    rateLimits: [weightLimit(BUDGET_LIMITS.futures.limit)],
    exchangeFilters: [],
    assets: [...new Set(listings.map(({ quote }) => quote))].map((asset) => ({
      asset,
      marginAvailable: true,
      autoAssetExchange: '-10000',
    })),
    symbols: listings.map((listing) => describePerpetual(listing, nowMs)),
  };
}

function describePerpetual(listing: PerpetualListing, nowMs: number): object {
  const { id, base, quote, tickDecimals, stepDecimals, listedMs } = listing;
  const tickSize = formatUnits(1, tickDecimals);
  const stepSize = formatUnits(1, stepDecimals);
  const isHalted = listing.candles.haltedMs <= nowMs;
  return {
    symbol: id,
    pair: id,
    contractType: 'PERPETUAL',
    deliveryDate: NEVER_DELIVERED_MS,
    onboardDate: listedMs,
    status: isHalted ? 'CLOSE' : 'TRADING',
    maintMarginPercent: '2.5000',
    requiredMarginPercent: '5.0000',
    baseAsset: base,
    quoteAsset: quote,
    marginAsset: quote,
    pricePrecision: tickDecimals,
    quantityPrecision: stepDecimals,
    baseAssetPrecision: 8,
    quotePrecision: 8,
    underlyingType: 'COIN',
    underlyingSubType: [],
    triggerProtect: '0.0500',
    liquidationFee: '0.012000',
    marketTakeBound: '0.30',
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: tickSize, maxPrice: LARGEST, tickSize },
      { filterType: 'LOT_SIZE', minQty: stepSize, maxQty: LARGEST, stepSize },
      { filterType: 'MARKET_LOT_SIZE', minQty: stepSize, maxQty: LARGEST, stepSize },
      { filterType: 'MIN_NOTIONAL', notional: '5' },
    ],
    orderTypes: ['LIMIT', 'MARKET', 'STOP', 'STOP_MARKET'],
    timeInForce: ['GTC', 'IOC', 'FOK', 'GTX'],
  };
}

function weightLimit(limit: number): object {
  return { rateLimitType: 'REQUEST_WEIGHT', interval: 'MINUTE', intervalNum: 1, limit };
}
