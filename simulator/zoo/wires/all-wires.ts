import type { ZooWire } from '../zoo-wire.ts';
import { binance } from './binance.ts';
import { bitbank } from './bitbank.ts';
import { bitfinex } from './bitfinex.ts';
import { bybit } from './bybit.ts';
import { coinbase } from './coinbase.ts';
import { gate } from './gate.ts';
import { gemini } from './gemini.ts';
import { htx } from './htx.ts';
import { hyperliquid } from './hyperliquid.ts';
import { kraken } from './kraken.ts';
import { kucoin } from './kucoin.ts';
import { okx } from './okx.ts';

/** Every wire of the zoo, by ccxt's id. */
export const WIRES = {
  binance,
  bitbank,
  bitfinex,
  bybit,
  coinbase,
  gate,
  gemini,
  htx,
  hyperliquid,
  kraken,
  kucoin,
  okx,
} as const satisfies Readonly<Record<string, ZooWire>>;

export type WireId = keyof typeof WIRES;
