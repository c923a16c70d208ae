import { parseArgs } from 'node:util';
import { createRepositories } from '../src/db/repositories/index.ts';
import { seriesKey } from '../src/market/instrument.ts';
import { importCandles, type ImportReport } from '../src/import/import-candles.ts';
import { readCandleRecords } from '../src/import/read-candle-records.ts';
import { readText } from '../src/import/read-text.ts';
import { keepHeapSmall } from '../src/small-heap.ts';
import { openDatabase } from './support/open-database.ts';
import { runCommand, UsageError } from './support/run-command.ts';
import { completeSeries, parseSeriesOptions } from './support/series-options.ts';

const HELP = `Stores the candles of a file, exactly as they are written there. Running it again changes nothing.

  npm run import -- --file FILE [--exchange ID --symbol BASE/QUOTE --timeframe 1h] [--dry-run] [--skip-bad]
  make import FILE=… [EXCHANGE=…] [SYMBOL=…] [TIMEFRAME=…]

  --file       the file, packed by gzip or not; - reads standard input
  --exchange   whose candles they are, such as binance        \\
  --symbol     the unified symbol, such as BTC/USDT            } needed unless each row of the file says it
  --timeframe  how long a candle is, such as 1m, 4h or 1d     /
  --dry-run    check the rows, store nothing; needs no database
  --skip-bad   rows that are no candle are no failure
  --help       this text

What the file may hold is found out by its content: a CSV with a header (timestamp, open_time, time or date; open, high,
low, close, volume; what "npm run export" writes), Binance's archive CSV without one (https://data.binance.vision), a JSON
array of rows [time, open, high, low, close, volume] as freqtrade keeps it, or JSON lines. Times are ISO 8601 (UTC unless
they say otherwise), milliseconds or microseconds, and are when a candle opens. A candle still in progress is refused,
and so is one that our own export of built candles marks as partial.

A file of another timeframe than was said is refused, by its closing times (close_time, or the seventh column of Binance's
archives and answers) or by rows that follow each other too soon. 20,000 rows of a series are judged before the first of
them is stored, so that nothing of such a file is; where the timeframe changes later in a long file, the rows before stay
stored and the message says how many. --skip-bad does not change that. Longer candles without closing times cannot be told
from a quiet market.

Exit codes: 0 all is stored · 1 some rows are no candles (the good ones are stored), it is of another timeframe, or it
failed · 2 wrong options`;

/** A second connection keeps the server busy while the first one waits for its commit. */
const WRITERS = 2;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      file: { type: 'string', default: '' },
      exchange: { type: 'string', default: '' },
      symbol: { type: 'string', default: '' },
      timeframe: { type: 'string', default: '' },
      'dry-run': { type: 'boolean', default: false },
      'skip-bad': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const path = values.file.trim();
  if (path === '') throw new UsageError('--file is missing: name the file, or - for standard input');
  const series = parseSeriesOptions(values);
  keepHeapSmall();
  const chunks = readText(path);
  try {
    const { format, hasSeries, records } = await readCandleRecords(chunks);
    if (!hasSeries && !completeSeries(series))
      throw new UsageError(`${path} does not say whose candles it holds: give --exchange, --symbol and --timeframe`);
    const started = performance.now();
    const dryRun = values['dry-run'];
    const database = dryRun ? null : await openDatabase();
    try {
      const sink = database ? createRepositories(database.kysely) : null;
      const report = await importCandles({ sink, records, series, nowMs: Date.now(), writers: WRITERS });
      print(report, { format, dryRun, seconds: (performance.now() - started) / 1000 });
      return report.faulty > 0 && !values['skip-bad'] ? 1 : 0;
    } finally {
      await database?.close();
    }
  } finally {
    await chunks.return();
  }
});

function print(
  report: ImportReport,
  { format, dryRun, seconds }: { format: string; dryRun: boolean; seconds: number },
) {
  const { rows, faulty, faults, inserted, updated, unchanged, series } = report;
  for (const { line, reason } of faults) console.error(`line ${line}: ${reason}`);
  if (faulty > faults.length) console.error(`… and ${number(faulty - faults.length)} more rows that are no candles`);
  const names =
    series.slice(0, 5).map(seriesKey).join(', ') + (series.length > 5 ? `, … (${series.length} series)` : '');
  console.log(`${format}, ${names === '' ? 'no candles' : names}: ${number(rows)} rows, ${number(faulty)} faulty`);
  if (dryRun) console.log('nothing was stored: this was a dry run');
  else
    console.log(
      `${number(inserted)} inserted, ${number(updated)} updated, ${number(unchanged)} unchanged ` +
        `in ${seconds.toFixed(1)} s (${number(Math.round(rows / seconds))} rows/s)`,
    );
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
