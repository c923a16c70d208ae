import type { Candle } from '../../market/candle.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import { listOffered, listResolutions } from './resolutions.ts';

/** A market with candles. */
export interface UdfMarket {
  readonly exchange: string;
  readonly symbol: string;
  /** What is stored of it. */
  readonly timeframes: readonly Timeframe[];
}

/** A larger scale would not be a whole number that a double can hold. */
const MAX_PRICE_DIGITS = 15;
const MAX_VOLUME_DIGITS = 8;

/** `binance:BTC/USDT`: what the library asks by. */
export function tickerOf({ exchange, symbol }: { readonly exchange: string; readonly symbol: string }): string {
  return `${exchange}:${symbol}`;
}

/**
 * A symbol as the charting library wants it described.
 *
 * @param sample candles whose digits tell how many the prices and volumes have.
 * @see https://www.tradingview.com/charting-library-docs/latest/connecting_data/Symbology
 */
export function describeSymbol(market: UdfMarket, sample: readonly Candle[]) {
  const { exchange, symbol } = market;
  const resolutions = listResolutions(listOffered(market.timeframes));
  const ofUnit = (unit: 'D' | 'W') =>
    resolutions.filter((resolution) => resolution.endsWith(unit)).map((resolution) => resolution.slice(0, -1));
  const minutes = resolutions.filter((resolution) => /^\d+$/.test(resolution));
  const prices = sample.flatMap(({ open, high, low, close }) => [open, high, low, close]);
  return {
    name: symbol,
    full_name: tickerOf(market),
    ticker: tickerOf(market),
    description: `${symbol} on ${exchange}`,
    type: 'crypto',
    exchange,
    listed_exchange: exchange,
    session: '24x7',
    timezone: 'Etc/UTC',
    format: 'price',
    minmov: 1,
    pricescale: 10 ** Math.min(MAX_PRICE_DIGITS, countDigits(prices)),
    volume_precision: Math.min(MAX_VOLUME_DIGITS, countDigits(sample.map(({ volume }) => volume))),
    currency_code: symbol.split('/')[1] ?? '',
    visible_plots_set: 'ohlcv',
    data_status: 'streaming',
    has_empty_bars: false,
    supported_resolutions: resolutions,
    has_intraday: minutes.length > 0,
    intraday_multipliers: minutes,
    has_daily: ofUnit('D').length > 0,
    daily_multipliers: ofUnit('D'),
    has_weekly_and_monthly: ofUnit('W').length > 0,
    weekly_multipliers: ofUnit('W'),
  };
}

/** The most digits after the point, without trailing zeros: `0.10` has one. */
function countDigits(decimals: readonly string[]): number {
  return decimals.reduce((most, decimal) => {
    const fraction = decimal.split('.')[1] ?? '';
    return Math.max(most, fraction.replace(/0+$/, '').length);
  }, 0);
}
