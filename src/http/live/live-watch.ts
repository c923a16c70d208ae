import type { CandleRewrite } from '../../db/repositories/candle-rewrites-repository.ts';
import type { LiveLook, SeriesLook, StoredCandle, StoredSince } from '../../db/repositories/live-feed-repository.ts';
import type { Candle } from '../../market/candle.ts';
import { seriesKey, type Series } from '../../market/instrument.ts';
import { BoundedSet } from './bounded-set.ts';
import {
  createCandleEvent,
  createGapEvent,
  createHistoryEvent,
  createRevisionEvent,
  type LiveEvent,
} from './live-event.ts';

/** What the live stream needs of the database. */
export interface LiveFeed {
  look(): Promise<LiveLook>;
  listStoredSince(options: StoredSince): Promise<StoredCandle[]>;
  listRevisions(after: string, limit: number): Promise<CandleRewrite[]>;
}

/** Candles that were committed, of one series, oldest first; some may have been stored before. */
export interface StoredCandles {
  readonly series: Series;
  readonly candles: readonly Candle[];
}

export interface LiveWatchDeps {
  readonly feed: LiveFeed;
  readonly publish: (event: LiveEvent) => void;
}

/** Told one by one of each series and look; more than that is history. */
export const MAX_PER_SERIES = 100;
/** A row is stamped when its transaction begins and seen when it commits: looks reach back by so much. */
export const LOOK_BACK_MS = 30_000;
/** As many entries of candle_revisions may commit in another order than their ids have. */
const REVISIONS_BACK = 200n;
const FIRST_LOOK_BACK_MS = 2_000;
const MAX_CANDLES = 20_000;
const MAX_REVISIONS = 2_000;
const MAX_REMEMBERED = 100_000;

/**
 * Finds out what is stored, and publishes each candle and each rewritten candle once. What this process stores is told
 * at once (`note`); what others store (other replicas, an import) is found by looking at the ledger each second.
 *
 * The ledger is polled, and not LISTEN/NOTIFY used, because a poll compares states: nothing is lost while a connection
 * is away, it works behind a pooler that gives each transaction another connection, and those who write pay nothing
 * (each transaction with a NOTIFY takes one lock for the whole database when it commits).
 */
export class LiveWatch {
  readonly #deps: LiveWatchDeps;
  readonly #told = new BoundedSet(MAX_REMEMBERED);
  #known: ReadonlyMap<string, SeriesLook> | null = null;
  /** Slots that were told before the ledger had them (above 0), by series. */
  #ahead = new Map<string, number>();
  #beganAt = 0;
  #at = 0;
  #revision = '0';

  constructor(deps: LiveWatchDeps) {
    this.#deps = deps;
  }

  /** The place that was reached: see `Cursor`. */
  get place(): { readonly at: number; readonly revision: string } {
    return { at: this.#at, revision: this.#revision };
  }

  /** The series that the ledger knew at the last look, with what it said of them. */
  get series(): SeriesLook[] {
    return [...(this.#known?.values() ?? [])];
  }

  /** Forgets what was seen: the next look is the first one again. */
  pause(): void {
    this.#known = null;
    this.#ahead.clear();
  }

  /** Publishes what is new in candles that this process has committed. Those amid history are left to the next look. */
  note(stored: readonly StoredCandles[]): void {
    for (const { series, candles } of stored) {
      const tail = this.#known?.get(seriesKey(series))?.tail ?? Infinity;
      const fresh = candles.filter(({ timestamp }) => timestamp >= tail);
      for (const candle of fresh.slice(-MAX_PER_SERIES)) this.#tell({ series, candle });
    }
  }

  /** Publishes what has changed since the last look; the first one only looks. */
  async look(): Promise<void> {
    const look = await this.#deps.feed.look();
    const known = this.#known;
    const current = new Map(look.series.map((each) => [seriesKey(each.series), each]));
    if (!known) {
      for (const { id } of await this.#listRevisions(look.revision)) this.#told.add(`revision ${id}`);
      this.#known = current;
      [this.#beganAt, this.#at, this.#revision] = [look.at, look.at, look.revision];
      return;
    }
    const changed = look.series.filter(({ series, have, tail }) => {
      const before = known.get(seriesKey(series));
      return before !== undefined && (before.have !== have || before.tail !== tail);
    });
    const since = Math.max(this.#at - LOOK_BACK_MS, this.#beganAt - FIRST_LOOK_BACK_MS);
    const stored = await this.#deps.feed.listStoredSince({
      series: changed.map(({ series }) => series),
      since,
      perSeries: MAX_PER_SERIES,
      limit: MAX_CANDLES,
    });
    const revisions = look.revision === this.#revision ? [] : await this.#listRevisions(this.#revision);
    // Nothing is published before all is read: where reading fails, the next look does it all again.
    for (const candle of stored) this.#tell(candle);
    for (const revision of revisions)
      if (this.#told.add(`revision ${revision.id}`)) this.#deps.publish(createRevisionEvent(revision));
    for (const each of look.series) this.#compare(known.get(seriesKey(each.series)), each);
    this.#known = current;
    this.#at = look.at;
    this.#revision = revisions.at(-1)?.id ?? look.revision;
  }

  async #listRevisions(revision: string): Promise<CandleRewrite[]> {
    const after = BigInt(revision) - REVISIONS_BACK;
    return await this.#deps.feed.listRevisions(String(after > 0n ? after : 0n), MAX_REVISIONS);
  }

  #tell(stored: StoredCandle): void {
    const key = seriesKey(stored.series);
    if (!this.#told.add(`${key} ${stored.candle.timestamp}`)) return;
    this.#ahead.set(key, (this.#ahead.get(key) ?? 0) + 1);
    this.#deps.publish(createCandleEvent(stored));
  }

  /** Publishes what the ledger says beyond the candles that were told. */
  #compare(before: SeriesLook | undefined, after: SeriesLook): void {
    const key = seriesKey(after.series);
    const uncounted = after.have - (before?.have ?? 0) - (this.#ahead.get(key) ?? 0);
    if (uncounted < 0) this.#ahead.set(key, -uncounted);
    else this.#ahead.delete(key);
    if (uncounted > 0) this.#deps.publish(createHistoryEvent(after.series, uncounted));
    if (after.missing !== (before?.missing ?? 0) || after.lost !== (before?.lost ?? 0))
      this.#deps.publish(createGapEvent(after));
  }
}
