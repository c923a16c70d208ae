import { DAY_MS } from '../../src/market/moments.ts';
import type { ZooDialect } from './zoo-dialect.ts';
import { lengthOf, openingFrom, openingOf } from './zoo-grid.ts';
import type { ZooMarket, ZooRow, ZooSpan } from './zoo-market.ts';

/** A request for candles, as a wire understood it. */
export interface ZooQuery {
  readonly market: ZooMarket;
  /** In ccxt's spelling. */
  readonly timeframe: string;
  /** Epoch milliseconds; null where the request does not say. */
  readonly since: number | null;
  /** The last moment that is meant. */
  readonly until: number | null;
  readonly limit: number | null;
}

const ZERO = '0';

/** The rows that an exchange of this manner answers with at `nowMs` of its clock, in the order in which it sends them. */
export function servePage(query: ZooQuery, dialect: ZooDialect, nowMs: number): ZooRow[] {
  const timeframe = dialect.wrongTimeframes[query.timeframe] ?? query.timeframe;
  const kept = listKept(query.market, timeframe, dialect, nowMs);
  const asked = readAsked(query, timeframe, dialect);
  const rows = kept.filter(({ openMs }) => openMs >= asked.since && openMs < asked.until);
  const most = Math.min(query.limit ?? Infinity, dialect.pageLimit);
  const isFromEnd = dialect.cutKeeps === 'newest' || asked.since === -Infinity;
  const page = rows.length <= most ? rows : isFromEnd ? rows.slice(-most) : rows.slice(0, most);
  return dialect.order === 'newest-first' ? page.toReversed() : page;
}

/**
 * All rows that an exchange of this manner has of a timeframe at a moment, oldest first, the one in progress included:
 * what it deleted is not among them.
 */
export function listKept(market: ZooMarket, timeframe: string, dialect: ZooDialect, nowMs: number): ZooRow[] {
  const { anchors, emptyCandles, offGrid } = dialect;
  const traded = market.list(timeframe, anchors, { since: -Infinity, until: Infinity }, nowMs);
  const shifted = offGrid?.timeframe === timeframe ? traded.map((row) => shift(row, offGrid, offGrid.shiftMs)) : traded;
  const rows = emptyCandles === 'omitted' ? shifted : fill(shifted, timeframe, emptyCandles, market, nowMs);
  const depth = dialect.depths[timeframe] ?? dialect.depths['*'];
  if (!depth) return rows;
  if (depth.of === 'rows') return rows.slice(-depth.count);
  const lengthMs = lengthOf(timeframe);
  const since = openingOf(nowMs, timeframe, anchors) - (depth.count - 1) * lengthMs;
  return rows.filter(({ openMs }) => openMs >= since);
}

function readAsked({ since, until }: ZooQuery, timeframe: string, dialect: ZooDialect): ZooSpan {
  const lengthMs = lengthOf(timeframe);
  const untilMs = until === null || dialect.until === 'ignored' ? Infinity : until;
  const end = dialect.until === 'inclusive' ? untilMs + 1 : untilMs;
  if (since === null || dialect.since === 'ignored') return { since: -Infinity, until: end };
  const start = {
    inclusive: since,
    exclusive: since + 1,
    'rounded-up': Math.ceil(since / lengthMs) * lengthMs,
  }[dialect.since];
  const midnight = Math.floor(since / DAY_MS) * DAY_MS + DAY_MS;
  return { since: start, until: dialect.pageBy === 'utc-day' ? Math.min(end, midnight) : end };
}

function shift(row: ZooRow, span: ZooSpan, byMs: number): ZooRow {
  const isInside = row.openMs >= span.since && row.openMs < span.until;
  return isInside ? { ...row, openMs: row.openMs + byMs, endMs: row.endMs + byMs } : row;
}

/** Puts a row into each slot without one, from the first row to what has ended by now, or to the end of trading. */
function fill(
  rows: readonly ZooRow[],
  timeframe: string,
  how: 'zeros' | 'repeated',
  market: ZooMarket,
  nowMs: number,
): ZooRow[] {
  const lengthMs = lengthOf(timeframe);
  const filled: ZooRow[] = [];
  const extend = (untilMs: number) => {
    for (let last = filled.at(-1); last && last.endMs + lengthMs <= untilMs; last = filled.at(-1)) {
      const price = how === 'zeros' ? ZERO : last.close;
      const values = { open: price, high: price, low: price, close: price, volume: ZERO };
      filled.push({ openMs: last.endMs, endMs: last.endMs + lengthMs, ...values });
    }
  };
  for (const row of rows) {
    extend(row.openMs);
    filled.push(row);
  }
  extend(Math.min(nowMs, market.delistedMs));
  return filled;
}

/** The slots of a timeframe that open in a span and have ended by `nowMs`, epoch milliseconds, oldest first. */
export function listSlots(timeframe: string, dialect: ZooDialect, span: ZooSpan, nowMs: number): number[] {
  const lengthMs = lengthOf(timeframe);
  const slots: number[] = [];
  const end = Math.min(span.until, nowMs - lengthMs + 1);
  for (let at = openingFrom(span.since, timeframe, dialect.anchors); at < end; at += lengthMs) slots.push(at);
  return slots;
}
