import assert from 'node:assert/strict';
import type { BinanceInterval } from '../../simulator/binance-interval.ts';
import type { RecordedRow } from '../../simulator/recorded-candles.ts';
import { listStored, type ExchangeStage } from './exchange-stage.ts';
import { waitUntil } from './patience.ts';

/**
 * Compares every stored candle of a series with what the exchange finally says of it, digit for digit: to be called once
 * the service calls the series complete. Both sides are held to what had ended when this was called. Of that all but the
 * newest candle must be there at once, the newest one soon; what closes while we look is compared too where it is stored.
 *
 * @returns the stored candles, oldest first.
 */
export async function assertStoredTruth(world: {
  readonly stage: ExchangeStage;
  readonly url: string;
  readonly symbol: string;
  readonly timeframe: BinanceInterval;
  readonly fromMs: number;
}): Promise<RecordedRow[]> {
  const { stage, url, symbol, timeframe, fromMs } = world;
  const ended = stage.listTruth(symbol, timeframe, fromMs);
  const newestMs = ended.at(-1)?.[0] ?? 0;
  let stored = await listStored(url, symbol, timeframe);
  assert.ok(stored.length >= ended.length - 1, `${stored.length} of ${ended.length} candles of ${symbol}`);
  await waitUntil(async () => {
    if ((stored.at(-1)?.[0] ?? 0) >= newestMs) return true;
    stored = await listStored(url, symbol, timeframe);
    return false;
  }, `the candle of ${symbol} that closed last is not stored`);
  // Told after the rows were read: a candle that is stored before its end is in no truth.
  const truth = stage.listTruth(symbol, timeframe, fromMs);
  assert.deepEqual(stored, truth.slice(0, stored.length), symbol);
  return stored;
}
