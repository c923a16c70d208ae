import type { InstanceOf } from '../ccxt/ccxt-library.ts';

/** ccxt's Binance with the raw calls that are used. */
export type BinanceInstance = InstanceOf<
  'binance',
  | 'publicGetTime'
  | 'publicGetKlines'
  | 'fapiDataGetOpenInterestHist'
  | 'fapiDataGetTopLongShortPositionRatio'
  | 'fapiDataGetTakerlongshortRatio'
  | 'fapiPublicGetFundingRate'
  | 'fapiPublicGetMarkPriceKlines'
>;
