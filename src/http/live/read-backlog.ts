import type { SeriesLook } from '../../db/repositories/live-feed-repository.ts';
import { seriesKey } from '../../market/instrument.ts';
import { DAY_MS, MINUTE_MS } from '../../market/moments.ts';
import type { Cursor } from './cursor.ts';
import { createCandleEvent, createGapEvent, createRevisionEvent, type LiveEvent } from './live-event.ts';
import { LOOK_BACK_MS, MAX_PER_SERIES, type LiveFeed } from './live-watch.ts';
import { matchesEvent, matchesSeries, type StreamFilter } from './stream-filter.ts';

export interface BacklogRequest {
  readonly filter: StreamFilter;
  /** Where the client was. */
  readonly cursor: Cursor;
  /** All that are stored, as the ledger has them now. */
  readonly series: readonly SeriesLook[];
  /** Where the stream is. */
  readonly place: { readonly at: number; readonly revision: string };
}

/** Events, or why they cannot be told. */
export type Backlog = { readonly events: readonly LiveEvent[] } | { readonly reason: string };

const LONGEST_MS = DAY_MS;
const MAX_EVENTS = 5_000;
/** So much later another process may have looked. Later ids are of a database that was set back. */
const AHEAD_MS = MINUTE_MS;

/**
 * Reads from the database what was stored since a client went away: candles in the order of their opening times, then
 * rewritten candles. It reaches back a little further than that, so that nothing is left out: some of it may be known.
 * Older history that was filled meanwhile cannot be told from what was there before; how much of each series is missing
 * now is told instead.
 */
export async function readBacklog(feed: LiveFeed, { filter, cursor, series, place }: BacklogRequest): Promise<Backlog> {
  if (place.at - cursor.at > LONGEST_MS) return refuse('you were away for more than a day');
  if (cursor.at > place.at + AHEAD_MS) return refuse('your Last-Event-ID is of a later time than the database has');
  const since = cursor.at - LOOK_BACK_MS;
  const wanted = series.filter((look) => matchesSeries(filter, look.series));
  const stored = filter.events.includes('candle')
    ? await feed.listStoredSince({
        series: wanted.map((look) => look.series),
        since,
        perSeries: MAX_PER_SERIES,
        limit: MAX_EVENTS + 1,
      })
    : [];
  const counts = Map.groupBy(stored, (each) => seriesKey(each.series));
  if (stored.length > MAX_EVENTS || [...counts.values()].some(({ length }) => length >= MAX_PER_SERIES))
    return refuse('more was stored meanwhile than the stream tells again');
  const revisions = filter.events.includes('revision') ? await feed.listRevisions(cursor.revision, MAX_EVENTS + 1) : [];
  if (revisions.length > MAX_EVENTS) return refuse('more candles were rewritten meanwhile than the stream tells again');
  const events = [
    ...stored.map(createCandleEvent),
    ...revisions.map(createRevisionEvent),
    ...wanted.map(createGapEvent),
  ];
  return { events: events.filter((event) => matchesEvent(filter, event)) };
}

function refuse(reason: string): Backlog {
  return { reason: `${reason}: read what you need from /v1/ohlcv` };
}
