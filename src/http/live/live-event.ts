import type { CandleRewrite } from '../../db/repositories/candle-rewrites-repository.ts';
import type { SeriesLook, StoredCandle } from '../../db/repositories/live-feed-repository.ts';
import type { Series } from '../../market/instrument.ts';
import { toIso } from '../../market/moments.ts';
import { toCandleObject, toCandleValues, type Numbers } from '../formats/rows.ts';

/**
 * What a client may ask for.
 *
 * - `candle`: a candle was stored
 * - `revision`: the exchange told a stored candle otherwise
 * - `history`: older candles were stored, too many or too old to be told one by one
 * - `gap`: how many candles of a series are missing has changed
 * - `health`: the service's state has changed; also the first event of each stream
 */
export const EVENT_TYPES = ['candle', 'revision', 'history', 'gap', 'health'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One event for all clients; rendered once for each way to write numbers. */
export class LiveEvent {
  readonly type: EventType;
  /** null: of no series, for everybody. */
  readonly series: Series | null;
  readonly #toObject: (numbers: Numbers) => object;
  readonly #rendered = new Map<Numbers, string>();

  constructor(type: EventType, series: Series | null, toObject: (numbers: Numbers) => object) {
    this.type = type;
    this.series = series;
    this.#toObject = toObject;
  }

  /** The JSON of its `data:` line. */
  render(numbers: Numbers): string {
    const known = this.#rendered.get(numbers);
    if (known !== undefined) return known;
    const text = JSON.stringify(this.#toObject(numbers));
    this.#rendered.set(numbers, text);
    return text;
  }
}

export function createCandleEvent({ series, candle }: StoredCandle): LiveEvent {
  return new LiveEvent('candle', series, (numbers) => ({ ...series, ...toCandleObject(candle, numbers) }));
}

export function createRevisionEvent({ series, changedAt, before, after }: CandleRewrite): LiveEvent {
  return new LiveEvent('revision', series, (numbers) => ({
    ...series,
    timestamp: toIso(after.timestamp),
    changed_at: toIso(changedAt),
    old: toCandleValues(before, numbers),
    new: toCandleValues(after, numbers),
  }));
}

/** `candles`: how many. */
export function createHistoryEvent(series: Series, candles: number): LiveEvent {
  return new LiveEvent('history', series, () => ({ ...series, candles }));
}

export function createGapEvent({ series, missing, gaps }: SeriesLook): LiveEvent {
  return new LiveEvent('gap', series, () => ({
    ...series,
    missing,
    since: gaps && toIso(gaps.since),
    until: gaps && toIso(gaps.until),
  }));
}

export function createHealthEvent(health: object): LiveEvent {
  return new LiveEvent('health', null, () => health);
}

/** One event of the protocol: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export function formatEvent(type: string, data: string, id: string | null = null): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`;
}
