import type { FuturesFeed } from '../../src/market/futures-snapshot.ts';
import type { RequestCost, RequestKind } from '../../src/exchanges/exchange.ts';
import { startAnsweringServer, type Answer, type Request } from './answering-server.ts';

/** A row as the exchange sends it. */
export type WireRow = readonly unknown[] | Readonly<Record<string, unknown>>;

/** What a test does to the answers of one kind: another answer, or the usual one changed; a string is sent as it is. */
export type Distortion = Answer | ((usual: unknown) => unknown) | null;

/** A candle of the exchange's truth: opening time in milliseconds, then open, high, low, close, volume as texts. */
export type TrueCandle = readonly [time: number, ...values: string[]];

export interface RunningVenue extends AsyncDisposable {
  readonly origin: string;
  /** How answers with rows, and those with markets, differ from the usual; null: not at all. */
  distort: { rows: Distortion; listing: Distortion };
  /** The requests for rows, and those for markets, so far. */
  readonly count: (kind: 'rows' | 'listing') => number;
  /** All requests so far. */
  readonly total: () => number;
  /** What it has to tell of the hours that open in a range, by its own clock. */
  readonly listCandles: (since: number, until: number) => Promise<readonly TrueCandle[]>;
}

/** One exchange as the conformance suite meets it: on the wire. */
export interface WireVenue {
  /** ccxt's id. */
  readonly id: string;
  /** A spot market with hourly candles for at least 60 days; with a linear perpetual where it has feeds. */
  readonly symbol: string;
  readonly feeds: readonly FuturesFeed[];
  /** What a request of a kind costs; empty: not counted by us. */
  readonly costOf: (kind: RequestKind) => readonly RequestCost[];
  /** Whether it can be asked for its time; otherwise the Date headers tell it. */
  readonly tellsTime: boolean;
  /** Starts it on loopback, at the time that `now` tells. */
  readonly start: (now: () => number) => Promise<RunningVenue>;
  /** Changes the rows inside an answer. */
  readonly editRows: (json: unknown, edit: (rows: WireRow[]) => WireRow[]) => unknown;
  /** The same row with another time, given in milliseconds, or with some of its values. */
  readonly changeRow: (
    row: WireRow,
    changes: { time?: (ms: number) => number; low?: string; volume?: string },
  ) => WireRow;
  /** An answer to a request for candles that has everything but the rows. */
  readonly withoutRows: unknown;
  /** How it says in its own words that there were too many requests. */
  readonly tooMany: Answer;
}

export interface WireServerDeps {
  readonly now: () => number;
  readonly isListing: (path: string) => boolean;
  readonly isTime: (path: string) => boolean;
  /** The usual answer. */
  readonly answer: (request: Request) => Answer;
  readonly listCandles: RunningVenue['listCandles'];
}

/** A small exchange over a server on loopback. Every answer tells the exchange's time as its Date. */
export async function startWireServer(deps: WireServerDeps): Promise<RunningVenue> {
  const { now, isListing, isTime, answer, listCandles } = deps;
  const distort: RunningVenue['distort'] = { rows: null, listing: null };
  const isRows = (path: string) => !isListing(path) && !isTime(path);
  const server = await startAnsweringServer((request) => {
    const { path } = request;
    const distortion = isListing(path) ? distort.listing : isRows(path) ? distort.rows : null;
    return dated(distortAnswer(answer(request), distortion), now());
  });
  return {
    origin: server.origin,
    distort,
    count: (kind) => server.requests.filter(({ path }) => (kind === 'listing' ? isListing(path) : isRows(path))).length,
    total: () => server.requests.length,
    listCandles,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function distortAnswer(usual: Answer, distortion: Distortion): Answer {
  if (distortion === null) return usual;
  if (typeof distortion !== 'function') return distortion;
  const changed = distortion('json' in usual ? usual.json : null);
  return typeof changed === 'string' ? { text: changed } : { json: changed };
}

function dated(answer: Answer, nowMs: number): Answer {
  if ('stall' in answer) return answer;
  return { ...answer, headers: { date: new Date(nowMs).toUTCString(), ...answer.headers } };
}
