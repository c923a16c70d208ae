import { createRepositories } from '../../src/db/repositories/index.ts';
import type { Series } from '../../src/market/instrument.ts';
import type { TimeRange } from '../../src/market/time-range.ts';
import type { BenchDatabase } from './bench-database.ts';
import type { Measured } from './http/latencies.ts';
import { measureExports } from './http/measure-exports.ts';
import { CONNECTIONS, measureRounds } from './http/measure-rounds.ts';
import { bodyOf, PlainConnection } from './http/plain-connection.ts';
import { startWorkerProcess, type WorkerProcess } from './http/worker-process.ts';
import { inventSeries, MINUTE_MS } from './invented-candles.ts';
import { median, medianRatio, type Measurement } from './report.ts';
import { storeCandles } from './store-candles.ts';

export interface HttpBench {
  readonly rows: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

const PAGE_ROWS = 500;
/** How many different pages are asked for. */
const PAGES = 997;
const SECONDS = 3;
const TARGET_RATIO = 1.7;
const TARGET_P99 = 4;

/** The same statement for every page, as one would write it by hand. */
const STATEMENT = `select timestamp, open, high, low, close, volume from ohlcv_data
  where exchange = $1 and symbol = $2 and timeframe = $3 and timestamp >= $4 and timestamp < $5
  order by timestamp limit ${PAGE_ROWS}`;

/** A page, as the route and as the statement are asked for it. */
interface Page {
  readonly path: string;
  readonly values: string[];
}

/**
 * Pages of 500 candles as JSON arrays at 16 connections against an empty handler and the bare SQL, and the export of a
 * whole series against `psql \copy`, each in every round.
 */
export async function measureHttp(database: BenchDatabase, { rows, rounds, log }: HttpBench): Promise<Measurement[]> {
  const { series, range } = await fill(database, rows);
  await using worker = await startWorkerProcess(database.url);
  const pages = listPages(series, range);
  await assertSameRows(database, worker, pages);
  return [
    ...(await measurePages(worker, pages, rounds, log)),
    ...(await measureExports(database, worker, { series, range, rows, rounds, log })),
  ];
}

/** One series of 1m candles, complete in the ledger. */
async function fill(database: BenchDatabase, rows: number): Promise<{ series: Series; range: TimeRange }> {
  const repositories = createRepositories(database.kysely);
  await database.execute('truncate ohlcv_data');
  const since = Math.floor(Date.now() / MINUTE_MS - rows - 1) * MINUTE_MS;
  const [invented] = inventSeries(1, rows, since);
  if (!invented) throw new Error('no series was invented');
  const { series, candles } = invented;
  await storeCandles(repositories, series, candles);
  const range = { since, until: since + rows * MINUTE_MS };
  const key = { ...series, metric: 'ohlcv' as const };
  const missing = (await repositories.coverage.survey(key, range)).filter(({ state }) => state !== 'have');
  if (missing.length > 0) throw new Error('the ledger says that something of what was loaded is missing');
  await database.execute('vacuum analyze ohlcv_data');
  await database.execute('checkpoint').catch(() => undefined);
  return { series, range };
}

/** Pages all over the range, in an order in which hardly two follow each other. */
function listPages({ exchange, symbol, timeframe }: Series, { since, until }: TimeRange): Page[] {
  const places = Math.floor((until - since) / MINUTE_MS) - PAGE_ROWS;
  return Array.from({ length: PAGES }, (_, index) => {
    const start = since + Math.floor((((index * 389) % PAGES) / PAGES) * places) * MINUTE_MS;
    const [from, to] = [start, start + PAGE_ROWS * MINUTE_MS].map((moment) => new Date(moment).toISOString());
    const query = new URLSearchParams({ exchange, symbol, timeframe, since: from ?? '', until: to ?? '' });
    query.set('limit', String(PAGE_ROWS));
    query.set('format', 'arrays');
    return { path: `/v1/ohlcv?${query.toString()}`, values: [exchange, symbol, timeframe, from ?? '', to ?? ''] };
  });
}

/** What is measured must be right: the first and the last page hold what the statement finds. */
async function assertSameRows(database: BenchDatabase, worker: WorkerProcess, pages: readonly Page[]): Promise<void> {
  const connection = await PlainConnection.open(worker.url);
  try {
    for (const page of [pages[0], pages.at(-1)]) {
      if (!page) continue;
      const answered = JSON.parse(bodyOf(await connection.get(page.path))) as unknown[];
      const filled = page.values.reduce((text, value, index) => text.replace(`$${index + 1}`, `'${value}'`), STATEMENT);
      const found = (await database.execute(filled)).map(({ timestamp, ...values }) => [
        (timestamp as Date).getTime(),
        ...Object.values(values),
      ]);
      if (found.length !== PAGE_ROWS || JSON.stringify(answered) !== JSON.stringify(found))
        throw new Error(`${page.path} did not answer the ${PAGE_ROWS} candles that the statement finds`);
    }
  } finally {
    connection.close();
  }
}

async function measurePages(
  worker: WorkerProcess,
  pages: readonly Page[],
  rounds: number,
  log: (line: string) => void,
): Promise<Measurement[]> {
  const measured = { empty: [] as Measured[], sql: [] as Measured[], route: [] as Measured[] };
  const paths = pages.map(({ path }) => path);
  const values = pages.map((page) => page.values);
  const runSql = async (seconds: number) =>
    (await worker.ask({ kind: 'sql', statement: STATEMENT, values, seconds }, 'sql')).measured;
  await load(worker.emptyUrl, ['/'], 1);
  await runSql(1);
  await load(worker.url, paths, 1);
  for (let round = 1; round <= rounds; round++) {
    measured.empty.push(await load(worker.emptyUrl, ['/'], SECONDS));
    measured.sql.push(await runSql(SECONDS));
    measured.route.push(await load(worker.url, paths, SECONDS));
    const shown = Object.entries(measured).map(
      ([name, list]) => `${name} ${(list.at(-1)?.meanMs ?? NaN).toFixed(2)} ms`,
    );
    log(`round ${round}: ${shown.join(', ')}`);
  }
  const means = (list: readonly Measured[]) => list.map(({ meanMs }) => meanMs);
  const sums = measured.empty.map(({ meanMs }, round) => meanMs + (measured.sql[round]?.meanMs ?? NaN));
  const ratio = medianRatio(means(measured.route), sums);
  const tail = median(measured.route.map(({ p99Ms, medianMs }) => p99Ms / medianMs));
  const perSecond = median(means(measured.route).map((ms) => (CONNECTIONS * 1000) / ms));
  return [
    {
      what: `${PAGE_ROWS} candles as arrays, ${CONNECTIONS} connections, mean`,
      measured: `${ratio.toFixed(2)} (${median(means(measured.route)).toFixed(2)} ms, ${Math.round(perSecond)}/s)`,
      target: `<= ${TARGET_RATIO}`,
      limit: `empty handler ${median(means(measured.empty)).toFixed(2)} ms + bare SQL ${median(means(measured.sql)).toFixed(2)} ms`,
      met: ratio <= TARGET_RATIO,
    },
    {
      what: 'the same, 99th percentile against the median',
      measured: `${tail.toFixed(2)} (${median(measured.route.map(({ p99Ms }) => p99Ms)).toFixed(1)} ms)`,
      target: `< ${TARGET_P99}`,
      limit: `median ${median(measured.route.map(({ medianMs }) => medianMs)).toFixed(2)} ms`,
      met: tail < TARGET_P99,
    },
  ];
}

/** Asks for the paths in turn over kept connections, one request in flight on each. */
async function load(url: string, paths: readonly string[], seconds: number): Promise<Measured> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => PlainConnection.open(url)));
  let next = 0;
  try {
    return await measureRounds(CONNECTIONS, seconds, async (lane) => {
      await connections[lane]?.get(paths[next++ % paths.length] ?? '/');
    });
  } finally {
    for (const connection of connections) connection.close();
  }
}
