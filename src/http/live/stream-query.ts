import { z } from 'zod';
import { readExchangeId, readSymbol } from '../../market/instrument.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import { parsed } from '../../parsed.ts';
import { EVENT_TYPES } from './live-event.ts';
import type { StreamFilter } from './stream-filter.ts';

const MAX_ITEMS = 200;

/** A list of items, separated by commas; `*` among them, or none at all, is all. */
function list<T extends string>(parse: (item: string) => T, example: string) {
  const parseItems = (value: string): T[] => {
    const items = value.split(',').map((item) => item.trim());
    if (items.length > MAX_ITEMS) throw new RangeError(`may have ${MAX_ITEMS} items: leave it out for all`);
    return items.includes('*') ? [] : [...new Set(items.map(parse))];
  };
  return parsed(z.string({ error: 'must be given once, its items separated by commas' }), parseItems)
    .optional()
    .describe(`Separated by commas; all where it is left out. Such as ${example}.`);
}

/** `read` as a parser: what it does not know is the fault of the list. */
function orFault<T extends string>(read: (item: string) => T | null | undefined, fault: string) {
  return (item: string): T => {
    const found = read(item) ?? null;
    if (found === null) throw new RangeError(fault);
    return found;
  };
}

const exchangeOf = orFault(readExchangeId, 'must be ids of exchanges, such as binance,okx');
const symbolOf = orFault(readSymbol, 'must be spot symbols BASE/QUOTE, such as BTC/USDT,*/EUR');
const eventTypeOf = orFault(
  (item) => EVENT_TYPES.find((type) => type === item),
  `must be some of ${EVENT_TYPES.join(', ')}`,
);

/** The query of a request for the stream. */
export const streamQuery = z.strictObject({
  exchange: list(exchangeOf, 'binance,okx'),
  symbol: list(symbolOf, 'BTC/USDT,*/EUR, where * is any one currency'),
  timeframe: list(parseTimeframe, '1m,1h'),
  events: list(eventTypeOf, EVENT_TYPES.join(',')),
  numbers: z
    .enum(['string', 'float'], { error: 'must be string (exact decimals) or float (JSON numbers)' })
    .default('string')
    .describe('Exact decimals, or JSON numbers.'),
  last_event_id: z
    .string({ error: 'must be given once' })
    .max(100)
    .optional()
    .describe('The id of the last event that was seen, for clients that cannot send the header Last-Event-ID.'),
});

export const streamHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .optional()
    .describe('The id of the last event that was seen: what was missed comes first.'),
});

/** What a client that sends this query wants. */
export function toFilter({ exchange, symbol, timeframe, events, numbers }: z.infer<typeof streamQuery>): StreamFilter {
  return {
    exchanges: exchange ?? [],
    symbols: symbol ?? [],
    timeframes: timeframe ?? [],
    events: events === undefined || events.length === 0 ? EVENT_TYPES : events,
    numbers,
  };
}
