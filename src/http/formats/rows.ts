import { z } from 'zod';
import type { Candle } from '../../market/candle.ts';
import type { Decimal } from '../../market/decimal.ts';
import { amount } from '../protocol/route-schema.ts';

/** How decimals are answered: exact strings, or JSON numbers (the nearest double). */
export type Numbers = 'string' | 'float';

/** A candle as it is answered, without its time. */
export const candleValues = z.object({ open: amount, high: amount, low: amount, close: amount, volume: amount });
type CandleValues = z.output<typeof candleValues>;

/** A candle as it is answered. */
export interface CandleObject extends CandleValues {
  readonly timestamp: string;
}

function render(value: Decimal, numbers: Numbers): string | number {
  return numbers === 'float' ? Number(value) : value;
}

/** A candle as it is answered, without its time. */
export function toCandleValues(candle: Candle, numbers: Numbers): CandleValues {
  return {
    open: render(candle.open, numbers),
    high: render(candle.high, numbers),
    low: render(candle.low, numbers),
    close: render(candle.close, numbers),
    volume: render(candle.volume, numbers),
  };
}

/** One page of rows; `nextSince` (epoch ms) is where the following page begins, null where none follows. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextSince: number | null;
}

/** Cuts the page out of rows that were read with one more than `limit`: that one begins the next page. */
export function cutPage<Row extends { readonly timestamp: number }>(rows: readonly Row[], limit: number): Page<Row> {
  return { rows: rows.slice(0, limit), nextSince: rows[limit]?.timestamp ?? null };
}
