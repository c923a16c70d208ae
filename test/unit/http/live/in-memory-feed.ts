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
  readonly #missing = new Map<string, { readonly since: number; readonly until: number; readonly slots: number }>();

  pass(ms: number): void {
    this.nowMs += ms;
  }

  store(series: Series, candles: readonly Candle[]): void {
    this.#rows.push(...candles.map((candle) => ({ series, candle, storedAt: this.nowMs })));
  }

  miss(series: Series, slots: number): void {
    const since = this.nowMs - slots * timeframeMs(series.timeframe);
    this.#missing.set(seriesKey(series), { since, until: this.nowMs, slots });
  }

  revise(series: Series, before: Candle, after: Candle): void {
    this.revisions.push({ id: String(this.revisions.length + 1), changedAt: this.nowMs, series, before, after });
  }

  async look() {
    if (this.fault) throw this.fault;
    this.looks++;
    const groups = [...Map.groupBy(this.#rows, ({ series }) => seriesKey(series)).values()];
    const series = groups.map((rows): SeriesLook => {
      const { series: named } = rows[0]!;
      const gap = this.#missing.get(seriesKey(named));
      return {
        series: named,
        tail: Math.max(...rows.map(({ candle }) => candle.timestamp)) + timeframeMs(named.timeframe),
        have: new Set(rows.map(({ candle }) => candle.timestamp)).size,
        missing: gap?.slots ?? 0,
        gaps: gap && gap.slots > 0 ? { since: gap.since, until: gap.until } : null,
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
      .toSorted((a, b) => a.candle.timestamp - b.candle.timestamp)
      .slice(0, limit);
  }

  async listRevisions(after: string, limit: number): Promise<CandleRewrite[]> {
    if (this.fault) throw this.fault;
    return this.revisions.filter(({ id }) => BigInt(id) > BigInt(after)).slice(0, limit);
  }
}
