import type { Kysely } from 'kysely';
import type { Series } from '../../market/instrument.ts';
import { timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { executeText, Parameters } from './statement-text.ts';
import { candleTextExpression, withoutNonFinite, type DecimalStyle } from './candle-text.ts';
import { copyTo } from './copy-stream.ts';
import { insertIsoMarks } from './insert-iso-marks.ts';
import { addKey, matchesKey } from './ledger-gaps.ts';
import { readCandlePage } from './read-candle-page.ts';
import { quoteLiteral } from './quote-literal.ts';

export interface CandleTextRequest {
  readonly series: Series;
  /** Opening times [since, until), epoch ms. */
  readonly since: number;
  readonly until: number;
  /** Candles at most; null: all. */
  readonly limit: number | null;
  /** A CSV line, or a JSON object, for each candle: see CandleShape. */
  readonly shape: 'object' | 'csv';
  readonly numbers: DecimalStyle;
  /** Built from the candles of this timeframe; null: read as stored. */
  readonly from: Timeframe | null;
}

/** Whole lines, and how many. */
export interface CandleLines {
  readonly lines: Buffer;
  readonly count: number;
}

const PAGE_ROWS = 25_000;
const BUILT_ROWS = 5000;

interface FetchedPage extends CandleLines {
  readonly nextSince: number | null;
}

/**
 * All candles of the range as lines of text, oldest first, in pages. Each page is a statement of its own, and the next
 * ones are on their way while the consumer works on the last: no connection is held for a slow consumer, no more than
 * three pages are in memory, and a row written meanwhile behind the page is not seen.
 */
export function streamCandleText(
  kysely: Kysely<Database>,
  request: CandleTextRequest,
): AsyncGenerator<CandleLines, void> {
  const isWhole = request.from === null && request.limit === null;
  return isWhole ? streamWindows(kysely, request) : streamPages(kysely, request);
}

/** Page after page, each from where the one before ended. */
async function* streamPages(kysely: Kysely<Database>, request: CandleTextRequest): AsyncGenerator<CandleLines, void> {
  let left = request.limit ?? Infinity;
  const fetchNext = (since: number, rows: number) => {
    const fetch = request.from === null ? copyPage : buildPage;
    return handled(fetch(kysely, { ...request, since }, rows));
  };
  let ahead: Promise<FetchedPage> | null = fetchNext(request.since, left);
  try {
    while (ahead) {
      const page: FetchedPage = await ahead;
      left -= page.count;
      ahead = page.nextSince === null || left <= 0 ? null : fetchNext(page.nextSince, left);
      if (page.count > 0) yield page;
    }
  } finally {
    await ahead?.catch(() => undefined);
  }
}

/** Statements of one export that run at once: writing rows as text is most of the work, and the server has more cores. */
const AT_ONCE = 2;

/** Ranges of time that hold a page each: these do not depend on each other, so that two can be asked for at once. */
async function* streamWindows(kysely: Kysely<Database>, request: CandleTextRequest): AsyncGenerator<CandleLines, void> {
  const bounds = await findBounds(kysely, request);
  if (!bounds) return;
  const windowMs = PAGE_ROWS * timeframeMs(request.series.timeframe);
  const underway: Promise<FetchedPage>[] = [];
  let since = bounds.first;
  try {
    while (since <= bounds.last || underway.length > 0) {
      while (since <= bounds.last && underway.length < AT_ONCE) {
        const until = Math.min(since + windowMs, bounds.last + 1);
        underway.push(handled(copyPage(kysely, { ...request, since, until }, null)));
        since = until;
      }
      const page = await underway.shift();
      if (page && page.count > 0) yield page;
    }
  } finally {
    await Promise.allSettled(underway);
  }
}

/** The consumer may take long or stop: a failure must not count as unhandled before it is awaited. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** The first and the last opening time in the range; null where it holds no candle. */
async function findBounds(
  kysely: Kysely<Database>,
  { series, since, until }: CandleTextRequest,
): Promise<TimeRangeBounds | null> {
  const parameters = new Parameters();
  const rows = `ohlcv_data where ${matchesKey(addKey(parameters, series))}
    and timestamp >= ${parameters.addMoment(since)} and timestamp < ${parameters.addMoment(until)}`;
  const [row] = await executeText<{ first: Date | null; last: Date | null }>(
    kysely,
    `select (select timestamp from ${rows} order by timestamp limit 1) as first,
      (select timestamp from ${rows} order by timestamp desc limit 1) as last`,
    parameters,
  );
  return row?.first && row.last ? { first: row.first.getTime(), last: row.last.getTime() } : null;
}

interface TimeRangeBounds {
  readonly first: number;
  readonly last: number;
}

async function copyPage(
  kysely: Kysely<Database>,
  { series, since, until, shape, numbers }: CandleTextRequest,
  left: number | null,
): Promise<FetchedPage> {
  const rows = left === null ? null : Math.min(PAGE_ROWS, left);
  const isCsv = shape === 'csv';
  const columns = isCsv
    ? `timestamp at time zone 'UTC', open, high, low, close, volume`
    : candleTextExpression(shape, numbers, { hasPartial: false });
  // COPY takes no parameters. Neither the columns of the CSV nor the JSON hold anything that its text would escape.
  const answer = await copyTo(
    kysely,
    `copy (
       select ${columns} from ohlcv_data
       where exchange = ${quoteLiteral(series.exchange)} and symbol = ${quoteLiteral(series.symbol)}
         and timeframe = ${quoteLiteral(series.timeframe)}
         and timestamp >= '${new Date(since).toISOString()}' and timestamp < '${new Date(until).toISOString()}'
       order by timestamp ${rows === null ? '' : `limit ${rows}`}
     ) to stdout ${isCsv ? '(format csv)' : ''}`,
  );
  const { lines, count, last } = isCsv ? insertIsoMarks(answer) : readLines(answer, shape, numbers);
  return { lines, count, nextSince: last !== null && count === rows ? last + 1 : null };
}

const NEWLINE = 10;

function readLines(answer: Buffer, shape: 'object', numbers: DecimalStyle) {
  const lines = Buffer.from(withoutNonFinite(answer.toString('latin1'), shape, numbers), 'latin1');
  let count = 0;
  for (let at = lines.indexOf(NEWLINE); at !== -1; at = lines.indexOf(NEWLINE, at + 1)) count++;
  if (count === 0) return { lines, count, last: null };
  const start = lines.lastIndexOf(NEWLINE, lines.length - 2) + 1;
  const { timestamp } = JSON.parse(lines.toString('latin1', start)) as { timestamp: string };
  return { lines, count, last: Date.parse(timestamp) };
}

async function buildPage(kysely: Kysely<Database>, request: CandleTextRequest, left: number): Promise<FetchedPage> {
  const page = await readCandlePage(
    kysely,
    { ...request, limit: Math.min(BUILT_ROWS, left), now: request.until },
    '\n',
  );
  const { text, count, nextSince } = page;
  return { lines: Buffer.from(text === '' ? '' : `${text}\n`), count, nextSince };
}
