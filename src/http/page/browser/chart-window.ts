import type { CandleAnswer, CoverageObject, FuturesAnswer, SeriesName } from './answers.ts';
import { nextOpening, timeframeLength, toIso } from './moments.ts';
import { fetchJson, fetchPages, pathTo, RequestFailure } from './service.ts';
import { createTimeline, withoutRanges, type Timeline } from './timeline.ts';

const PAGE = 600;
/** Older candles are not loaded beyond that: a canvas of more is slow, and nobody scrolls through it. */
const MAX_CANDLES = 12_000;

interface CandlePage {
  /** The stored timeframe that they are built from; null: they are stored themselves. */
  readonly built_from: string | null;
  readonly data: readonly CandleAnswer[];
}

/** The candles of one series that the chart has loaded, without a hole that was not stored, and what goes with them. */
export class ChartWindow {
  readonly name: SeriesName;
  #isNewest: boolean;
  candles: readonly CandleAnswer[] = [];
  /** null where no futures data is kept for the symbol. */
  futures: readonly FuturesAnswer[] | null = [];
  #ledger: readonly CoverageObject[] = [];
  #hasOlder = true;
  #builtFrom: string | null = null;
  readonly #around: { readonly since: number; readonly until: number } | null;
  readonly #signal: AbortSignal;

  /** @param around the range (epoch ms) to load with what lies about it; null: the newest candles */
  constructor(name: SeriesName, around: { since: number; until: number } | null, signal: AbortSignal) {
    this.name = name;
    this.#isNewest = around === null;
    this.#around = around;
    this.#signal = signal;
  }

  /** Whether it reaches to the newest candle: where a range of the past was asked for, only if few follow it. */
  get isNewest(): boolean {
    return this.#isNewest;
  }

  /** Whether there are older candles that are not loaded however far one scrolls. */
  get isFull(): boolean {
    return this.#hasOlder && this.candles.length >= MAX_CANDLES;
  }

  /** The timeframe that the candles are built from, because they are not stored themselves; null: they are. */
  get builtFrom(): string | null {
    return this.#builtFrom;
  }

  /** @throws RequestFailure */
  async load(): Promise<void> {
    const around = this.#around;
    if (around === null) {
      this.candles = await this.#fetchCandles({ limit: PAGE });
      this.#hasOlder = this.candles.length === PAGE;
    } else {
      const [before, after] = await Promise.all([
        this.#fetchCandles({ until: toIso(around.since), limit: PAGE / 2 }),
        // From the end of the range on: what is stored inside of it comes with it, unless it is very long.
        this.#fetchCandles({ since: toIso(around.since), limit: PAGE / 2 }),
      ]);
      this.candles = [...before, ...after];
      this.#isNewest = after.length < PAGE / 2;
      this.#hasOlder = before.length === PAGE / 2;
    }
    await this.#loadBeside();
  }

  /** Loads a page of older candles; false where there is none. */
  async loadOlder(): Promise<boolean> {
    const first = this.candles[0];
    if (!this.#hasOlder || first === undefined || this.candles.length >= MAX_CANDLES) return false;
    const older = await this.#fetchCandles({ until: first.timestamp, limit: PAGE });
    this.#hasOlder = older.length === PAGE;
    this.candles = [...older, ...this.candles];
    await this.#loadBeside();
    return older.length > 0;
  }

  /** Loads a page of later candles where a range of the past is shown; false where there is none. */
  async loadLater(): Promise<boolean> {
    const last = this.candles.at(-1);
    if (this.#isNewest || last === undefined || this.candles.length >= MAX_CANDLES) return false;
    const since = toIso(nextOpening(Date.parse(last.timestamp), this.name.timeframe));
    const later = await this.#fetchCandles({ since, limit: PAGE });
    this.#isNewest = later.length < PAGE;
    this.candles = [...this.candles, ...later];
    await this.#loadBeside();
    return true;
  }

  /** Asks what came since; true where anything did. */
  async loadNewer(): Promise<boolean> {
    const last = this.candles.at(-1);
    if (!this.isNewest) return false;
    const newer = await this.#fetchCandles(
      last === undefined ? { limit: PAGE } : { since: last.timestamp, limit: 1000 },
    );
    return this.add(newer);
  }

  /** Takes candles in that were stored meanwhile, or rewritten; false where nothing is new. */
  add(candles: readonly CandleAnswer[]): boolean {
    const first = this.candles[0]?.timestamp ?? '';
    const last = this.candles.at(-1)?.timestamp;
    const byTime = new Map(this.candles.map((candle) => [candle.timestamp, candle]));
    let isChanged = false;
    for (const candle of candles) {
      const known = byTime.get(candle.timestamp);
      const isWithin = candle.timestamp >= first && (this.isNewest || last === undefined || candle.timestamp <= last);
      if (!isWithin || (known && isSame(known, candle))) continue;
      byTime.set(candle.timestamp, candle);
      isChanged = true;
    }
    // ISO 8601 texts of one length sort as their times do.
    if (isChanged) this.candles = [...byTime.values()].sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
    return isChanged;
  }

  /** Asks the ledger again what it says of the loaded time, and for the futures data of it. */
  async refreshBeside(): Promise<void> {
    await this.#loadBeside();
  }

  timeline(nowMs: number): Timeline {
    const { timeframe } = this.name;
    // An opening time counts once its candle can have closed.
    const until = this.isNewest ? nowMs - timeframeLength(timeframe) : 0;
    return createTimeline(this.candles, this.#ledger, { timeframe, until });
  }

  async #loadBeside(): Promise<void> {
    const first = this.candles[0];
    const last = this.candles.at(-1);
    if (first === undefined || last === undefined) return;
    const until = this.isNewest
      ? Math.max(Date.now(), Date.parse(last.timestamp) + 1)
      : nextOpening(Date.parse(last.timestamp), this.name.timeframe);
    const range = { since: first.timestamp, until: toIso(until) };
    const { exchange, symbol } = this.name;
    [this.#ledger, this.futures] = await Promise.all([
      fetchPages<CoverageObject>(
        pathTo('/v1/coverage', {
          ...this.name,
          timeframe: this.#builtFrom ?? this.name.timeframe,
          metric: 'ohlcv',
          ...range,
          limit: 2000,
        }),
        this.#signal,
      ),
      fetchPages<FuturesAnswer>(pathTo('/v1/futures', { exchange, symbol, ...range, limit: 5000 }), this.#signal).catch(
        (error: unknown) => {
          if (error instanceof RequestFailure && error.status === 404) return null;
          throw error;
        },
      ),
    ]);
    // Of a candle that is built only a part may be missing, and it says so itself.
    if (this.#builtFrom !== null) return;
    // What somebody removed is in the ledger, and was never told by the stream.
    const missing = this.#ledger.filter(({ state }) => state === 'missing');
    this.candles = withoutRanges(this.candles, missing);
  }

  async #fetchCandles(query: { since?: string; until?: string; limit: number }): Promise<readonly CandleAnswer[]> {
    const page = await fetchJson<CandlePage>(pathTo('/v1/ohlcv', { ...this.name, ...query }), this.#signal);
    if (page.data.length > 0) this.#builtFrom = page.built_from;
    return page.data;
  }
}

function isSame(a: CandleAnswer, b: CandleAnswer): boolean {
  const names = ['open', 'high', 'low', 'close', 'volume', 'partial'] as const;
  return names.every((name) => a[name] === b[name]);
}
