import { MINUTE_MS } from '../../market/moments.ts';

/**
 * An exchange marks a candle complete within seconds of its end. One that is unmarked after this long is a fault of the
 * exchange's: what lies behind it must not wait for it.
 */
const CONFIRMING_MS = 10 * MINUTE_MS;

/**
 * What the exchange's word means for a candle that ends at `endMs`, at `nowMs` of the exchange's clock: `unconfirmed`
 * where it may still change, and the reason to keep the row aside where the word makes no sense.
 */
export function judgeConfirmation(
  word: unknown,
  endMs: number,
  nowMs: number,
): 'complete' | 'unconfirmed' | { readonly reason: string } {
  if (word === '1' || word === 1) return 'complete';
  if (word !== '0' && word !== 0) return { reason: 'the row does not say whether the candle is complete' };
  if (nowMs < endMs + CONFIRMING_MS) return 'unconfirmed';
  return { reason: 'the exchange still calls the candle incomplete, ten minutes after its end' };
}
