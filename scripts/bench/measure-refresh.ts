import { createRepositories } from '../../src/db/repositories/index.ts';
import type { BenchDatabase } from './bench-database.ts';
import { inventSeries, MINUTE_MS } from './invented-candles.ts';
import { median, medianRatio, type Measurement } from './report.ts';
import { storeCandles } from './store-candles.ts';

const SERIES = 40;
/** Seven days but an hour of 1m candles: 400,800 rows in 40 series. */
const ROWS_EACH = 7 * 24 * 60 - 60;
const TARGET = 1.2;

/** How long the view's refresh takes while readers go on, against one that locks them out. */
export async function measureRefresh(
  database: BenchDatabase,
  { rounds, log }: { readonly rounds: number; readonly log: (line: string) => void },
): Promise<Measurement[]> {
  const repositories = createRepositories(database.kysely);
  const { recentOhlcv } = repositories;
  await database.execute('truncate ohlcv_data');
  const since = Math.floor(Date.now() / MINUTE_MS - ROWS_EACH) * MINUTE_MS;
  for (const { series, candles } of inventSeries(SERIES, ROWS_EACH, since))
    await storeCandles(repositories, series, candles);
  await database.execute('analyze ohlcv_data');
  await recentOhlcv.refresh();
  const rows = await recentOhlcv.countRows();
  const times = { concurrent: [] as number[], plain: [] as number[] };
  const run = async (list: number[], refresh: () => Promise<unknown>) => {
    // A refresh that finds nothing new has less to do than a real one.
    await database.execute(
      `update ohlcv_data set close = close + 0.01, high = high + 0.01
       where timestamp = (select max(timestamp) from ohlcv_data) - interval '1 hour' * ${times.plain.length + 1}`,
    );
    const started = performance.now();
    await refresh();
    list.push(performance.now() - started);
  };
  for (let round = 1; round <= rounds; round++) {
    await run(times.plain, () => database.execute('refresh materialized view recent_ohlcv'));
    await run(times.concurrent, () => recentOhlcv.refresh());
    log(
      `round ${round}: plain ${Math.round(times.plain.at(-1) ?? NaN)} ms, concurrent ${Math.round(times.concurrent.at(-1) ?? NaN)} ms`,
    );
  }
  const ratio = medianRatio(times.concurrent, times.plain);
  return [
    {
      what: `refresh of recent_ohlcv, ${rows.toLocaleString('en-US')} rows`,
      measured: `${ratio.toFixed(2)} (${Math.round(median(times.concurrent))} ms)`,
      target: `<= ${TARGET}`,
      limit: `plain refresh: ${Math.round(median(times.plain))} ms`,
      met: ratio <= TARGET,
    },
  ];
}
