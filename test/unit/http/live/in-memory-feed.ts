/* eslint-disable @typescript-eslint/require-await -- the port is asynchronous; memory answers at once */
import type { CandleRewrite } from '../../../../src/db/repositories/candle-rewrites-repository.ts';
import type { SeriesLook, StoredCandle, StoredSince } from '../../../../src/db/repositories/live-feed-repository.ts';
import type { LiveFeed } from '../../../../src/http/live/live-watch.ts';
import type { Candle } from '../../../../src/market/candle.ts';
import { seriesKey, type Series } from '../../../../src/market/instrument.ts';
import { timeframeMs } from '../../../../src/market/timeframe.ts';

/** Candles with the moment at which they were stored, answered as the port says. Time passes by `pass` only. */
export class InMemoryFeed implements LiveFeed {
  nowMs = Date.UTC(2026, 0, 1);
  /** Thrown by each call while it is set. */
  fault: Error | null = null;
  looks = 0;
  readonly revisions: CandleRewrite[] = [];
  readonly #rows: (StoredCandle & { readonly storedAt: number })[] = [];
  readonly #missing = new Map<string, { readonly series: Series; readonly slots: number; readonly until: number }>();

  pass(ms: number): void {
    this.nowMs += ms;
  }

  /** One that is stored already keeps the moment at which it was. */
  store(series: Series, candles: readonly Candle[]): void {
    for (const candle of candles) {
      const row = { series, candle, storedAt: this.nowMs };
      const at = this.#rows.findIndex((other) => placeOf(other) === placeOf(row));
      if (at < 0) this.#rows.push(row);
      else this.#rows[at] = { ...row, storedAt: this.#rows[at]!.storedAt };
    }
  }

  /** So many slots up to now are missing. */
  miss(series: Series, slots: number): void {
    this.#missing.set(seriesKey(series), { series, slots, until: this.nowMs });
  }

  revise(series: Series, before: Candle, after: Candle): void {
    this.revisions.push({ id: String(this.revisions.length + 1), changedAt: this.nowMs, series, before, after });
  }

  async look() {
    if (this.fault) throw this.fault;
    this.looks++;
    const known = new Map([...this.#rows, ...this.#missing.values()].map(({ series }) => [seriesKey(series), series]));
    const series = [...known].map(([key, named]): SeriesLook => {
      const lengthMs = timeframeMs(named.timeframe);
      const times = this.#rows.filter((row) => seriesKey(row.series) === key).map(({ candle }) => candle.timestamp);
      const { slots, until } = this.#missing.get(key) ?? { slots: 0, until: 0 };
      return {
        series: named,
        tail: times.length > 0 ? Math.max(...times) + lengthMs : null,
        have: times.length,
        missing: slots,
        lost: 0,
        gaps: slots > 0 ? { since: until - slots * lengthMs, until } : null,
      };
    });
    return { at: this.nowMs, revision: this.revisions.at(-1)?.id ?? '0', series };
  }

  async listStoredSince({ series, since, perSeries, limit }: StoredSince): Promise<StoredCandle[]> {
    if (this.fault) throw this.fault;
    return series
      .flatMap((wanted) =>
        this.#rows
          .filter((row) => seriesKey(row.series) === seriesKey(wanted))
          .toSorted((a, b) => a.candle.timestamp - b.candle.timestamp)
          .slice(-perSeries),
      )
      .filter(({ storedAt }) => storedAt >= since)
      .toSorted(
        (a, b) => a.candle.timestamp - b.candle.timestamp || (seriesKey(a.series) < seriesKey(b.series) ? -1 : 1),
      )
      .slice(0, limit)
      .map(({ series: named, candle }) => ({ series: named, candle }));
  }

  async listRevisions(after: string, limit: number): Promise<CandleRewrite[]> {
    if (this.fault) throw this.fault;
    return this.revisions.filter(({ id }) => BigInt(id) > BigInt(after)).slice(0, limit);
  }
}

function placeOf({ series, candle }: StoredCandle): string {
  return `${seriesKey(series)} ${candle.timestamp}`;
}
