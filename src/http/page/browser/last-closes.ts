import { nameKey, type CandleAnswer, type SeriesObject } from './answers.ts';
import { fetchJson, pathTo, RequestFailure } from './service.ts';

/** How many requests run at once, and how many are made in one go: a table may have thousands of rows. */
const LANES = 4;
const MOST_AT_ONCE = 40;

/** The last close of each series, read for the rows that a person sees and only where a newer candle is stored. */
export class LastCloses {
  readonly #closes = new Map<string, { readonly timestamp: string; readonly close: string }>();
  readonly #onChange: () => void;
  #isReading = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** By the series' key, with the digits that the exchange sent. */
  values(): ReadonlyMap<string, string> {
    return new Map([...this.#closes].map(([key, { close }]) => [key, close]));
  }

  set(key: string, timestamp: string, close: string): void {
    this.#closes.set(key, { timestamp, close });
    this.#onChange();
  }

  /** Forgets the series that are there no more. */
  note(series: readonly SeriesObject[]): void {
    const keys = new Set(series.map(nameKey));
    for (const key of this.#closes.keys()) if (!keys.has(key)) this.#closes.delete(key);
  }

  /** Reads what is not known, or older than what is stored, of the series with these keys. */
  async read(series: readonly SeriesObject[], keys: readonly string[]): Promise<void> {
    if (this.#isReading) return;
    const wanted = series
      .filter((entry) => keys.includes(nameKey(entry)) && entry.last !== null)
      .filter((entry) => this.#closes.get(nameKey(entry))?.timestamp !== entry.last)
      .slice(0, MOST_AT_ONCE);
    if (wanted.length === 0) return;
    this.#isReading = true;
    const queue = wanted.values();
    try {
      await Promise.all(Array.from({ length: LANES }, () => this.#readAll(queue)));
    } catch (error) {
      // The next turn asks again.
      if (!(error instanceof RequestFailure)) throw error;
    } finally {
      this.#isReading = false;
      this.#onChange();
    }
  }

  async #readAll(queue: Iterable<SeriesObject>): Promise<void> {
    for (const { exchange, symbol, timeframe } of queue) {
      const path = pathTo('/v1/ohlcv', { exchange, symbol, timeframe, limit: 1 });
      const newest = (await fetchJson<{ readonly data: readonly CandleAnswer[] }>(path)).data.at(-1);
      if (newest) this.#closes.set(nameKey({ exchange, symbol, timeframe }), newest);
    }
  }
}
