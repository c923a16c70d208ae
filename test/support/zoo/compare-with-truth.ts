import { lengthOf } from '../../../simulator/zoo/zoo-grid.ts';
import type { ZooExchange } from '../../../simulator/zoo/zoo-exchange.ts';
import type { ZooRow } from '../../../simulator/zoo/zoo-market.ts';
import {
  boundRequests,
  countHistory,
  findRepetition,
  joinSlots,
  type Repetition,
} from '../../../simulator/zoo/zoo-requests.ts';
import { execute } from '../postgres.ts';

/** How rows, ledger and requests of one series differ from the truth; opening times in epoch milliseconds. */
export interface ZooDifference {
  /** Could be had and is not stored. */
  readonly missing: readonly number[];
  /** Stored, and no row of the exchange's, or with other values. */
  readonly extra: readonly number[];
  /** Called empty, and not. */
  readonly wronglyEmpty: readonly number[];
  /** Between the first and the last row that can be had, and still called missing. */
  readonly unsettled: readonly number[];
  readonly stored: number;
  /** The request that came most often in one minute. */
  readonly repetition: Repetition;
  /** Requests for what lies before the last minutes, and the most that the zoo allows. */
  readonly history: { readonly requests: number; readonly bound: number };
}

export interface ComparedSeries {
  readonly zoo: ZooExchange;
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly sinceMs: number;
  /** How often a service was started: each start looks at the newest page again. */
  readonly starts: number;
  readonly url: string;
}

interface LedgerRange {
  readonly state: string;
  readonly since: number;
  readonly until: number;
}

/** What has only just ended may be late. */
const FRESH_MS = 5 * 60_000;
/** Longer timeframes that may tell of a hole. */
const LEVELS = ['1h', '1d', '1w'];

/** Compares what ended five minutes ago or earlier, since the window began. */
export async function compareWithTruth(series: ComparedSeries): Promise<ZooDifference> {
  const { zoo, exchange, symbol, timeframe, sinceMs, starts, url } = series;
  const nowMs = zoo.now();
  const lengthMs = lengthOf(timeframe);
  const { delistedMs = Infinity } = zoo.markets.find((market) => market.symbol === symbol) ?? {};
  // Who asks for a market that left the list gets no answer; its last minutes may not have been asked for by then.
  const span = { since: sinceMs, until: Math.min(nowMs - FRESH_MS, delistedMs - FRESH_MS) - lengthMs };
  const { rows, available, empty } = zoo.truth(symbol, timeframe, span, nowMs);
  const filter = `exchange = '${exchange}' and symbol = '${symbol}' and timeframe = '${timeframe}'`;
  const [stored, ledger] = await Promise.all([listStored(url, filter), listLedger(url, filter)]);
  const inSpan = [...stored.keys()].filter((at) => at >= span.since && at < span.until);
  const isRefused = zoo.dialect.wrongTimeframes[timeframe] !== undefined;
  const [first = Infinity, last = -Infinity] = [available[0], available.at(-1)];
  const slotsOf = (state: string): number[] =>
    ledger
      .filter((range) => range.state === state)
      .flatMap(({ since, until }) => listBetween(Math.max(since, span.since), Math.min(until, span.until), lengthMs));
  const holes = joinSlots([...empty], lengthMs).length + 2;
  const levels = 1 + LEVELS.filter((level) => lengthOf(level) > lengthMs).length;
  const page = Math.min(zoo.dialect.pageLimit, 1000);
  const slots = (span.until - span.since) / lengthMs;
  return {
    missing: available.filter((at) => !stored.has(at)),
    extra: inSpan.filter((at) => stored.get(at) !== toText(rows.get(at))),
    wronglyEmpty: slotsOf('confirmed_empty').filter((at) => !empty.has(at)),
    unsettled: isRefused ? [] : slotsOf('missing').filter((at) => at >= first && at <= last),
    stored: inSpan.length,
    repetition: findRepetition(zoo.requests),
    history: {
      requests: countHistory(zoo.requests, zoo.requests[0]?.at ?? 0),
      bound: boundRequests({ slots, page, holes, levels }) + 2 * levels * (starts - 1),
    },
  };
}

/** What is wrong, in a few words each; empty where nothing is. */
export function describeDifference(difference: ZooDifference): string[] {
  const { missing, extra, wronglyEmpty, unsettled, repetition, history } = difference;
  const lists = { missing, extra, 'confirmed empty and is not': wronglyEmpty, unsettled };
  const found = Object.entries(lists)
    .filter(([, slots]) => slots.length > 0)
    .map(([what, slots]) => `${slots.length} ${what} (${describeEnds(slots)})`);
  if (repetition.times > 6) found.push(`one request ${repetition.times} times a minute`);
  if (history.requests > history.bound) found.push(`${history.requests} requests, at most ${history.bound} allowed`);
  return found;
}

function describeEnds(slots: readonly number[]): string {
  return [Math.min(...slots), Math.max(...slots)].map((at) => new Date(at).toISOString().slice(0, 16)).join(' to ');
}

async function listStored(url: string, filter: string): Promise<Map<number, string>> {
  const rows = await execute(
    url,
    `select (extract(epoch from timestamp) * 1000)::bigint::text as at,
       concat_ws(' ', open, high, low, close, volume) as row from ohlcv_data where ${filter} order by timestamp`,
  );
  return new Map(rows.map(({ at, row }) => [Number(at), String(row)]));
}

async function listLedger(url: string, filter: string): Promise<LedgerRange[]> {
  const rows = await execute(
    url,
    `select state, (extract(epoch from since) * 1000)::bigint::text as since,
       (extract(epoch from until) * 1000)::bigint::text as until
     from coverage where ${filter} and metric = 'ohlcv' order by since`,
  );
  return rows.map(({ state, since, until }) => ({
    state: String(state),
    since: Number(since),
    until: Number(until),
  }));
}

function listBetween(since: number, until: number, stepMs: number): number[] {
  return Array.from({ length: Math.max(0, Math.ceil((until - since) / stepMs)) }, (_, index) => since + index * stepMs);
}

function toText(row: ZooRow | undefined): string | undefined {
  return row && [row.open, row.high, row.low, row.close, row.volume].join(' ');
}
