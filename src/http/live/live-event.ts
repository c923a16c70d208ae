import type { CandleRewrite } from '../../db/repositories/candle-rewrites-repository.ts';
import type { SeriesLook, StoredCandle } from '../../db/repositories/live-feed-repository.ts';
import type { Series } from '../../market/instrument.ts';
import { toIso } from '../../market/moments.ts';
import type { Candle } from '../../market/candle.ts';
import { writeFields, writeRow } from '../formats/row-text.ts';
import type { Numbers } from '../formats/rows.ts';

/**
 * What a client may ask for.
 *
 * - `candle`: a candle was stored
 * - `revision`: the exchange told a stored candle otherwise
 * - `history`: older candles were stored, too many or too old to be told one by one
 * - `gap`: how many candles of a series are missing, or lost, has changed
 * - `health`: the service's state has changed; also the first event of each stream
 */
export const EVENT_TYPES = ['candle', 'revision', 'history', 'gap', 'health'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One event for all clients; rendered once for each way to write numbers. */
export class LiveEvent {
  readonly type: EventType;
  /** null: of no series, for everybody. */
  readonly series: Series | null;
  readonly #write: (numbers: Numbers) => string;
  readonly #rendered = new Map<Numbers, string>();

  /** @param write makes its JSON. */
  constructor(type: EventType, series: Series | null, write: (numbers: Numbers) => string) {
    this.type = type;
    this.series = series;
    this.#write = write;
  }

  /** The JSON of its `data:` line. */
  render(numbers: Numbers): string {
    const known = this.#rendered.get(numbers);
    if (known !== undefined) return known;
    const text = this.#write(numbers);
    this.#rendered.set(numbers, text);
    return text;
  }
}

const COLUMNS = ['open', 'high', 'low', 'close', 'volume'] as const;
const listValues = (candle: Candle) => COLUMNS.map((name) => candle[name]);

export function createCandleEvent({ series, candle }: StoredCandle): LiveEvent {
  const row = { timestamp: candle.timestamp, values: listValues(candle) };
  return new LiveEvent('candle', series, (numbers) => {
    const written = writeRow(row, COLUMNS, 'object', numbers);
    return `${JSON.stringify(series).slice(0, -1)},${written.slice(1)}`;
  });
}

export function createRevisionEvent({ series, changedAt, before, after }: CandleRewrite): LiveEvent {
  const named = { ...series, timestamp: toIso(after.timestamp), changed_at: toIso(changedAt) };
  return new LiveEvent('revision', series, (numbers) => {
    const [old, changed] = [before, after].map((candle) => `{${writeFields(listValues(candle), COLUMNS, numbers)}}`);
    return `${JSON.stringify(named).slice(0, -1)},"old":${old ?? ''},"new":${changed ?? ''}}`;
  });
}

/** `candles`: how many. */
export function createHistoryEvent(series: Series, candles: number): LiveEvent {
  return new LiveEvent('history', series, () => JSON.stringify({ ...series, candles }));
}

/** `complete`: nothing of it is missing and nothing is lost. */
export function createGapEvent({ series, missing, lost, gaps }: SeriesLook): LiveEvent {
  const range = { since: gaps && toIso(gaps.since), until: gaps && toIso(gaps.until) };
  const complete = missing === 0 && lost === 0;
  return new LiveEvent('gap', series, () => JSON.stringify({ ...series, complete, missing, lost, ...range }));
}

export function createHealthEvent(health: object): LiveEvent {
  return new LiveEvent('health', null, () => JSON.stringify(health));
}

/** One event of the protocol: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export function formatEvent(type: string, data: string, id: string | null = null): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`;
}
