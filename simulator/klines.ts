import type { Decimal } from '../src/market/decimal.ts';
import type { CandleQuery, CandleAggregator, SimulatedCandle } from './candle-aggregation.ts';
import { formatUnits } from './decimal-text.ts';

/**
 * A row of Binance's klines: opening time, open, high, low, close, base volume, closing time, quote volume, number of
 * trades, taker buy base volume, taker buy quote volume, an unused "0".
 * https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#klinecandlestick-data
 */
export type KlineRow = readonly [
  openMs: number,
  open: Decimal,
  high: Decimal,
  low: Decimal,
  close: Decimal,
  volume: Decimal,
  closeMs: number,
  quoteVolume: Decimal,
  trades: number,
  takerVolume: Decimal,
  takerQuoteVolume: Decimal,
  unused: '0',
];

/** Where the rows of one market come from. */
export interface KlineSource {
  /** The rows that the query means, oldest first, or null where this market has no candles of that length. */
  listKlines(query: CandleQuery): KlineRow[] | null;
}

/** How Binance writes the numbers of a market: spot pads everything to eight decimals, futures to tick and step. */
export type KlineStyle = 'spot' | 'futures';

/** The rows of a line of invented prices. */
export function createKlineSource(source: CandleAggregator, style: KlineStyle): KlineSource {
  const { tickDecimals, stepDecimals, quotePerMinute } = source.line.spec;
  const priceShown = style === 'spot' ? 8 : tickDecimals;
  const amountShown = style === 'spot' ? 8 : stepDecimals;
  const price = (ticks: number) => formatUnits(ticks, tickDecimals, priceShown);
  // Mark and index prices have no trades: Binance sends a bare "0" in these columns.
  const amount = (steps: number) => (quotePerMinute === 0 ? ZERO : formatUnits(steps, stepDecimals, amountShown));
  const quote = (units: bigint) =>
    quotePerMinute === 0
      ? ZERO
      : formatUnits(units, tickDecimals + stepDecimals, style === 'spot' ? 8 : tickDecimals + stepDecimals);
  const toRow = (candle: SimulatedCandle): KlineRow => [
    candle.openMs,
    price(candle.open),
    price(candle.high),
    price(candle.low),
    price(candle.close),
    amount(candle.volume),
    candle.closeMs,
    quote(candle.quoteVolume),
    candle.trades,
    amount(candle.takerVolume),
    quote(candle.takerQuoteVolume),
    '0',
  ];
  return { listKlines: (query) => source.listCandles(query).map(toRow) };
}

const ZERO = '0' as Decimal;
