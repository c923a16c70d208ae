import { MINUTE_MS } from '../../src/market/moments.ts';
import type { ZooSpan } from './zoo-market.ts';

/** A request for candles that the zoo answered, as it came and as it was understood. */
export interface ZooRequest {
  readonly path: string;
  /** The exchange's clock, epoch milliseconds. */
  readonly at: number;
  readonly symbol: string;
  /** In ccxt's spelling. */
  readonly timeframe: string;
  /** Epoch milliseconds; null where it does not say. */
  readonly since: number | null;
  readonly until: number | null;
  readonly limit: number | null;
  /** How many rows it was answered with; null: with an error. */
  readonly rows: number | null;
}

export interface Repetition {
  /** The most often that one request came within a minute. */
  readonly times: number;
  readonly request: ZooRequest | null;
}

/** The request that came most often within one minute of the exchange's clock, and how often. */
export function findRepetition(requests: readonly ZooRequest[]): Repetition {
  const times = new Map<string, number[]>();
  let worst: Repetition = { times: 0, request: null };
  for (const request of requests) {
    const { path, symbol, timeframe, since, until, limit, at } = request;
    const key = JSON.stringify([path, symbol, timeframe, since, until, limit]);
    const recent = [...(times.get(key) ?? []), at].filter((moment) => moment > at - MINUTE_MS);
    times.set(key, recent);
    if (recent.length > worst.times) worst = { times: recent.length, request };
  }
  return worst;
}

export interface RequestBound {
  /** Slots of the series in the span that is collected. */
  readonly slots: number;
  /** How many of them one answer can hold. */
  readonly page: number;
  /** Runs of slots without a candle that can be had. */
  readonly holes: number;
  /** The timeframe itself and the longer ones that may tell of it. */
  readonly levels: number;
}

/** The most requests for the history of one series: two for each page, and four for each hole and level. */
export function boundRequests({ slots, page, holes, levels }: RequestBound): number {
  return 2 * Math.ceil(slots / page) + 4 * holes * levels;
}

/**
 * How many requests for something before a moment were answered with rows or none: the live tail, which asks for what
 * follows, does not count, nor what failed.
 */
export function countHistory(requests: readonly ZooRequest[], before: number): number {
  return requests.filter(({ since, rows }) => rows !== null && since !== null && since < before).length;
}

/** The runs that slots of one length make, oldest first. */
export function joinSlots(slots: readonly number[], lengthMs: number): ZooSpan[] {
  const runs: { since: number; until: number }[] = [];
  for (const slot of slots) {
    const last = runs.at(-1);
    if (last?.until === slot) last.until = slot + lengthMs;
    else runs.push({ since: slot, until: slot + lengthMs });
  }
  return runs;
}
