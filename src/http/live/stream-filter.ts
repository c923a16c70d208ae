import { matchesPattern, type Series } from '../../market/instrument.ts';
import type { Numbers } from '../formats/rows.ts';
import type { EventType, LiveEvent } from './live-event.ts';

/** A series whose timeframe need not have been read. */
type NamedSeries = { readonly [K in keyof Series]: string };

/** What one client wants. An empty list: all. */
export interface StreamFilter {
  readonly exchanges: readonly string[];
  /** `BTC/USDT`; a `*` stands for one whole currency. */
  readonly symbols: readonly string[];
  readonly timeframes: readonly string[];
  readonly events: readonly EventType[];
  readonly numbers: Numbers;
}

export function matchesSeries({ exchanges, symbols, timeframes }: StreamFilter, series: NamedSeries): boolean {
  const { exchange, symbol, timeframe } = series;
  return (
    (exchanges.length === 0 || exchanges.includes(exchange)) &&
    (timeframes.length === 0 || timeframes.includes(timeframe)) &&
    (symbols.length === 0 ||
      symbols.some((pattern) => matchesPattern({ exchange, symbol: pattern }, { exchange, symbol })))
  );
}

export function matchesEvent(filter: StreamFilter, { type, series }: LiveEvent): boolean {
  return filter.events.includes(type) && (series === null || matchesSeries(filter, series));
}

/** Whether it names series one by one, so that naming none that exists is a mistake. */
export function isExact({ exchanges, symbols, timeframes }: StreamFilter): boolean {
  return exchanges.length + symbols.length + timeframes.length > 0 && !symbols.some((symbol) => symbol.includes('*'));
}
