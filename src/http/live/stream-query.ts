import { z } from 'zod';
import { readExchangeId, readSymbol } from '../../market/instrument.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import { EVENT_TYPES, type EventType } from './live-event.ts';
import type { StreamFilter } from './stream-filter.ts';

const MAX_ITEMS = 200;

/** A list of items, separated by commas; `*` among them, or none at all, is all. */
function list<T extends string>(parse: (item: string) => T, example: string) {
  return z
    .string({ error: 'must be given once, its items separated by commas' })
    .transform((value, context): T[] => {
      try {
        const items = value.split(',').map((item) => item.trim());
        if (items.length > MAX_ITEMS) throw new RangeError(`may have ${MAX_ITEMS} items: leave it out for all`);
        return items.includes('*') ? [] : [...new Set(items.map(parse))];
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
        return z.NEVER;
      }
    })
    .optional()
    .describe(`Separated by commas; all where it is left out. Such as ${example}.`);
}

function parseExchange(item: string): string {
  const id = readExchangeId(item);
  if (id === null) throw new RangeError('must be ids of exchanges, such as binance,okx');
  return id;
}

function parseSymbol(item: string): string {
  const symbol = readSymbol(item);
  if (symbol === null) throw new RangeError('must be spot symbols BASE/QUOTE, such as BTC/USDT,*/EUR');
  return symbol;
}

function parseEventType(item: string): EventType {
  const type = EVENT_TYPES.find((each) => each === item);
  if (!type) throw new RangeError(`must be some of ${EVENT_TYPES.join(', ')}`);
  return type;
}

/** The query of a request for the stream. */
export const streamQuery = z.strictObject({
  exchange: list(parseExchange, 'binance,okx'),
  symbol: list(parseSymbol, 'BTC/USDT,*/EUR, where * is any one currency'),
  timeframe: list(parseTimeframe, '1m,1h'),
  events: list(parseEventType, EVENT_TYPES.join(',')),
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
