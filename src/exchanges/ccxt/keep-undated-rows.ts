import { EARLIEST_MS } from '../../market/candle.ts';
import type { CcxtInstance } from './ccxt-library.ts';

/**
 * Makes an instance give candle rows without a usable time too: none at all, or seconds where milliseconds belong. ccxt
 * drops all rows before `since` without a word, so that an answer made of such rows would look empty.
 */
export function keepUndatedRows(instance: CcxtInstance): void {
  const parse = instance.parseOHLCVs.bind(instance);
  instance.parseOHLCVs = (rows, market, timeframe, since, limit, tail) => {
    const kept = parse(rows, market, timeframe, since, limit, tail);
    if (since === undefined) return kept;
    const isUndated = (time: unknown) => !(typeof time === 'number' && time >= Math.min(since, EARLIEST_MS));
    return [...parse(rows, market, timeframe).filter(([time]) => isUndated(time)), ...kept];
  };
}
