/* eslint-disable @typescript-eslint/require-await -- the ports are asynchronous; memory answers at once */
import type { CandleRewrite } from '../../../src/db/repositories/candle-rewrites-repository.ts';
import type { StoredCoverage } from '../../../src/db/repositories/coverage-repository.ts';
import type { LedgerGap } from '../../../src/db/repositories/ledger-gaps.ts';
import type { QuarantinedRow } from '../../../src/db/repositories/quarantine-repository.ts';
import type { CandleLines, CandleTextRequest } from '../../../src/db/repositories/stream-candle-text.ts';
import type { HttpRepositories } from '../../../src/http/create-http-app.ts';
import { writeRow, type TextRow } from '../../../src/http/formats/row-text.ts';
import type { Candle } from '../../../src/market/candle.ts';
import {
  FUTURES_FEEDS,
  FUTURES_SLOT_MS,
  type FuturesFeed,
  type FuturesSnapshot,
} from '../../../src/market/futures-snapshot.ts';
import { seriesKey, type Series } from '../../../src/market/instrument.ts';
import { intersectRanges, type TimeRange } from '../../../src/market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, timeframeMs, type Timeframe } from '../../../src/market/timeframe.ts';
import { clipGaps, readLedger } from './in-memory-ledger.ts';

const CANDLE_VALUES = ['open', 'high', 'low', 'close', 'volume'] as const;
const KEY_FIELDS = ['exchange', 'symbol', 'timeframe'] as const;

function toTextRow(candle: Candle): TextRow {
  return { timestamp: candle.timestamp, values: CANDLE_VALUES.map((name) => candle[name]) };
}

/** Rows kept in memory, answered as the ports say. Each set of rows is oldest first. */
export class InMemoryRows implements HttpRepositories {
  readonly candles = new Map<string, { series: Series; rows: readonly Candle[] }>();
  readonly snapshots = new Map<string, readonly FuturesSnapshot[]>();
  /** Ordered by key and time; newest first; newest first. */
  ranges: readonly StoredCoverage[] = [];
  quarantined: readonly QuarantinedRow[] = [];
  revisions: readonly CandleRewrite[] = [];
  /** What is missing of the candles of every series, oldest first: of everything else there is a word that it is stored. */
  gaps: readonly LedgerGap[] = [];
  /** The same of futures data, by feed and time. */
  futuresGaps: readonly (LedgerGap & { readonly metric: FuturesFeed })[] = [];
  isViewPopulated = true;
  /** Thrown by every reader while it is set. */
  fault: Error | null = null;

  cancelledBy(): this {
    return this;
  }

  put(series: Series, rows: readonly Candle[]): void {
    this.candles.set(seriesKey(series), { series, rows });
  }

  #rowsOf(series: Series): readonly Candle[] {
    if (this.fault) throw this.fault;
    return this.candles.get(seriesKey(series))?.rows ?? [];
  }

  #listSeries() {
    if (this.fault) throw this.fault;
    return [...this.candles.values()]
      .flatMap(({ series, rows }) => {
        const [oldest, newest] = [rows[0], rows.at(-1)];
        return oldest && newest ? [{ series, oldest, newest, count: rows.length }] : [];
      })
      .toSorted((a, b) => compareTexts(keyText(a.series), keyText(b.series)));
  }

  #between(series: Series, since: number, until: number): readonly Candle[] {
    return this.#rowsOf(series).filter(({ timestamp }) => timestamp >= since && timestamp < until);
  }

  /** What an answer speaks of that begins at `since`, or (null) holds all from `first` on: nobody notes what is wanted. */
  #answer(
    { timeframe }: Series,
    { since, first, until, now }: { since: number | null; first: number | undefined; until: number; now: number },
  ): { readonly answered: TimeRange; readonly gaps: LedgerGap[] } {
    const end = Math.min(ceilToTimeframe(until, timeframe), floorToTimeframe(now, timeframe));
    const whole = Math.min(first ?? Infinity, end - timeframeMs(timeframe));
    const start = since === null ? whole : ceilToTimeframe(since, timeframe);
    const answered = { since: start, until: Math.max(start, end) };
    return { answered, gaps: clipGaps(this.gaps, answered) };
  }

  readonly ohlcv: HttpRepositories['ohlcv'] = {
    readPage: async ({ series, since, until, limit, shape, numbers, from, now }) => {
      assertStored(from);
      const all = this.#between(series, since ?? -Infinity, until);
      const rows = since === null ? all.slice(-limit) : all.slice(0, limit);
      const nextSince = since === null ? null : (all[limit]?.timestamp ?? null);
      return {
        text: rows.map((candle) => writeRow(toTextRow(candle), CANDLE_VALUES, shape, numbers)).join(','),
        count: rows.length,
        nextSince,
        ...this.#answer(series, {
          since: since ?? (rows.length >= limit ? (rows[0]?.timestamp ?? null) : null),
          first: rows[0]?.timestamp,
          until: nextSince ?? until,
          now,
        }),
      };
    },
    readRangeState: async ({ series, since: from, until, newest, oldest = null, now }) => {
      const all = this.#between(series, from ?? -Infinity, until);
      const first = newest === null ? all[0] : all.at(-Math.min(newest, all.length));
      const next = from === null || oldest === null ? null : (all[oldest]?.timestamp ?? null);
      const isFull = newest !== null && all.length >= newest;
      const start = isFull ? (first?.timestamp ?? null) : from;
      const asked = { since: start, first: first?.timestamp, until: next ?? until, now };
      const { answered, gaps } = this.#answer(series, asked);
      const rows = all.filter(({ timestamp }) => timestamp >= answered.since && timestamp < (next ?? Infinity));
      const told = {
        ...answered,
        first: newest === null && from !== null ? null : (first?.timestamp ?? null),
        next,
        gaps,
      };
      return { ...told, digest: JSON.stringify([told, rows]) };
    },
    streamText: (request) => this.#streamText(request),
    listBounds: async (market?: { readonly exchange: string; readonly symbol: string }) =>
      this.#listSeries()
        .filter(
          ({ series: { exchange, symbol } }) => !market || (exchange === market.exchange && symbol === market.symbol),
        )
        .map(({ series, oldest, newest }) => ({
          ...series,
          first: oldest.timestamp,
          last: newest.timestamp,
          lastClose: newest.close,
        })),
    sumGaps: async (_market, ranges) =>
      ranges.map((range) =>
        this.gaps
          .filter(({ state }) => state !== 'unknown')
          .map((gap) => intersectRanges(gap, range))
          .reduce((sum, part) => sum + (part ? part.until - part.since : 0), 0),
      ),
    listStoredRows: async () =>
      this.#listSeries().map(({ series, oldest, newest, count }) => ({
        ...series,
        first: oldest.timestamp,
        last: newest.timestamp,
        count,
      })),
    listCompleteness: async () => [],
    listNewest: async (series, limit, before = Infinity) => this.#newest(series, limit, before),
  };

  #newest(series: Series, limit: number, before: number): Candle[] {
    return limit === 0 ? [] : this.#between(series, -Infinity, before).slice(-limit);
  }

  async *#streamText(request: CandleTextRequest): AsyncGenerator<CandleLines, void> {
    const { series, since, until, limit, shape, numbers, from } = request;
    assertStored(from);
    for (const candle of this.#between(series, since, until).slice(0, limit ?? Infinity)) {
      const line = `${writeRow(toTextRow(candle), CANDLE_VALUES, shape, numbers)}\n`;
      yield await Promise.resolve({ lines: Buffer.from(line), count: 1 });
    }
  }

  readonly recentOhlcv: HttpRepositories['recentOhlcv'] = {
    list: async (series, { since, until }, limit) => {
      this.#assertPopulated();
      return this.#between(series, since, until).slice(0, limit);
    },
    listNewest: async (series, limit, before) => {
      this.#assertPopulated();
      return this.#newest(series, limit, before);
    },
    isPopulated: async () => this.isViewPopulated,
  };

  #assertPopulated(): void {
    if (!this.isViewPopulated) throw Object.assign(new Error('recent_ohlcv was never refreshed'), { code: '55000' });
  }

  readonly coverage: HttpRepositories['coverage'] = readLedger(() => this.ranges);

  readonly quarantine: HttpRepositories['quarantine'] = {
    list: async ({ filter = {}, limit, before }) =>
      this.quarantined
        .filter((row) =>
          ([...KEY_FIELDS, 'metric', 'source'] as const).every(
            (name) => filter[name] === undefined || filter[name] === row[name],
          ),
        )
        .filter(isBefore(before))
        .slice(0, limit),
  };

  readonly candleRewrites: HttpRepositories['candleRewrites'] = {
    list: async ({ series: wanted = {}, range, limit, before }) =>
      this.revisions
        .filter(({ series }) => KEY_FIELDS.every((name) => wanted[name] === undefined || wanted[name] === series[name]))
        .filter(({ after: { timestamp } }) => !range || (timestamp >= range.since && timestamp < range.until))
        .filter(isBefore(before))
        .slice(0, limit),
  };

  readonly futures: HttpRepositories['futures'] = {
    list: async (exchange, symbol, { since, until }, limit) =>
      (this.snapshots.get(`${exchange} ${symbol}`) ?? [])
        .filter(({ timestamp }) => timestamp >= since && timestamp < until)
        .slice(0, limit),
    findBounds: async (exchange, symbol) => {
      const rows = this.snapshots.get(`${exchange} ${symbol}`) ?? [];
      const [oldest, newest] = [rows[0], rows.at(-1)];
      return oldest && newest ? { first: oldest.timestamp, last: newest.timestamp } : null;
    },
    listLedgerGaps: async (_exchange, _symbol, { since, until }, now) => {
      const hour = (timeMs: number) => Math.ceil(timeMs / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
      const ended = { since: hour(since), until: Math.min(hour(until), hour(now + 1) - FUTURES_SLOT_MS) };
      return FUTURES_FEEDS.flatMap((feed) =>
        clipGaps(
          this.futuresGaps.filter(({ metric }) => metric === feed),
          ended,
        ),
      );
    },
    findWantedSince: async () => null,
    listSymbols: async () =>
      [...this.snapshots]
        .filter(([, rows]) => rows.length > 0)
        .map(([key]) => {
          const [exchange = '', symbol = ''] = key.split(' ');
          return { exchange, symbol };
        })
        .toSorted((a, b) => compareTexts(`${a.exchange}\t${a.symbol}`, `${b.exchange}\t${b.symbol}`)),
  };
}

/** Whoever needs built candles asks PostgreSQL. */
function assertStored(from: Timeframe | null): void {
  if (from !== null) throw new Error(`memory builds no candles: those of ${from} were to be read`);
}

function isBefore(before: string | undefined) {
  return ({ id }: { readonly id: string }) => before === undefined || BigInt(id) < BigInt(before);
}

function keyText(series: Series): string {
  return KEY_FIELDS.map((name) => series[name]).join('\t');
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : 1;
}
