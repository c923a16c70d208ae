import type { Clock } from '../../src/clock.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import { FUTURES_FEEDS, type FuturesFeed } from '../../src/market/futures-snapshot.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MINUTELY = parseTimeframe('1m');
/** Requests under way at once, and how long each of them takes. */
const PLACES = 12;
const LATENCY_MS = 80;
/** A candle is asked for this long after its close. */
const DUE_MS = 1_500;
/** The statistics reach back 30 days: 720 hours, less what passes meanwhile. */
const HOURS_BACK = 600;
const KINDS: readonly (FuturesFeed | 'candles')[] = ['candles', ...FUTURES_FEEDS];

type Request = (signal: AbortSignal) => Promise<void>;

/**
 * What a collector asks of an exchange, by the port alone: the live tail of each symbol every minute, and besides it
 * history of every kind without end, as fast as the allowances let it. Each page is as short as can be: a full one
 * costs the exchange's counters the same, and only the work of this machine differs.
 */
export class EndlessBackfill {
  readonly #client: Exchange;
  readonly #clock: Clock;
  readonly #symbols: readonly string[];
  readonly #tails = new Map<string, number>();
  readonly #turns = new Map<string, number>();
  readonly #startMs: number;
  /** Whatever a request threw. */
  readonly errors: unknown[] = [];
  /** How long after its close each candle of the live tail was there, in milliseconds. */
  readonly delays: number[] = [];

  constructor(deps: { client: Exchange; clock: Clock; symbols: readonly string[] }) {
    this.#client = deps.client;
    this.#clock = deps.clock;
    this.#symbols = deps.symbols;
    this.#startMs = deps.clock.now();
  }

  async run(untilMs: number, signal: AbortSignal): Promise<void> {
    const work = async () => {
      while (this.#clock.now() < untilMs) {
        const next = this.#next();
        if (typeof next === 'number') await this.#clock.sleep(next - this.#clock.now(), signal);
        else await next(signal).catch((error: unknown) => this.errors.push(error));
        await this.#clock.sleep(LATENCY_MS, signal);
      }
    };
    await Promise.all(Array.from({ length: PLACES }, work));
  }

  /** What to ask for now, or when to look again. */
  #next(): Request | number {
    const nowMs = this.#clock.now();
    const openMs = Math.floor((nowMs - DUE_MS) / MINUTE_MS) * MINUTE_MS;
    const late = this.#symbols.find((symbol) => this.#tails.get(symbol) !== openMs);
    const tailAt = late === undefined ? openMs + MINUTE_MS + DUE_MS : this.#client.readyAt('candles', true);
    if (late !== undefined && tailAt <= nowMs) return this.#tail(late, openMs);
    const readyAt = KINDS.map((kind) => this.#client.readyAt(kind, false));
    const kind = KINDS[readyAt.findIndex((at) => at <= nowMs)];
    return kind === undefined ? Math.min(tailAt, ...readyAt) : this.#history(kind);
  }

  #tail(symbol: string, openMs: number): Request {
    this.#tails.set(symbol, openMs);
    const range = { since: openMs - MINUTE_MS, until: openMs };
    return async (signal) => {
      const { candles } = await this.#client.fetchCandles({ symbol, timeframe: MINUTELY, range }, signal);
      if (candles.length !== 1)
        throw new Error(`${candles.length} candles of ${symbol} instead of the one that closed`);
      this.delays.push(this.#clock.now() - openMs);
    };
  }

  #history(kind: FuturesFeed | 'candles'): Request {
    const turn = this.#turns.get(kind) ?? 0;
    this.#turns.set(kind, turn + 1);
    const symbol = this.#symbols[turn % this.#symbols.length] ?? '';
    const since = Math.floor(this.#startMs / HOUR_MS) * HOUR_MS - HOUR_MS * (2 + (turn % HOURS_BACK));
    return async (signal) => {
      if (kind === 'candles') {
        const range = { since, until: since + MINUTE_MS };
        await this.#client.fetchCandles({ symbol, timeframe: MINUTELY, range }, signal);
      } else {
        await this.#client.fetchFutures({ feed: kind, symbol, range: { since, until: since + HOUR_MS } }, signal);
      }
    };
  }
}
