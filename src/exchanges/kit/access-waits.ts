import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../market/moments.ts';
import type { RetryWaits } from '../../retry.ts';
import type { RequestBlock } from '../exchange.ts';

/** No exchange bans for longer, and no header or note of another process is believed beyond it. */
export const LONGEST_WAIT_MS = 3 * DAY_MS;

/**
 * How long an exchange as a whole is left alone, by why: the first wait, which doubles with each one in a row, and the
 * longest. `unreachable` is our own choice; the others stand in for what the exchange did not say itself. Binance bans for
 * two minutes to three days, see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
 */
export const ACCESS_WAITS: Readonly<Record<RequestBlock['reason'] | 'unreachable', RetryWaits>> = {
  unreachable: { firstMs: SECOND_MS, maxMs: MINUTE_MS },
  throttled: { firstMs: 10 * SECOND_MS, maxMs: 5 * MINUTE_MS },
  banned: { firstMs: 2 * MINUTE_MS, maxMs: LONGEST_WAIT_MS },
  refused: { firstMs: 15 * MINUTE_MS, maxMs: 4 * HOUR_MS },
};
