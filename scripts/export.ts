import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';
import { createRepositories } from '../src/db/repositories/index.ts';
import { AppError } from '../src/errors.ts';
import type { Candle } from '../src/market/candle.ts';
import { seriesKey } from '../src/market/instrument.ts';
import { END_OF_TIME_MS } from '../src/market/moments.ts';
import { createRange } from '../src/market/time-range.ts';
import { CANDLE_TEXT_FORMATS, toCandleText, type CandleTextFormat } from './export/candle-text.ts';
import { parseMomentOption } from './support/moment-option.ts';
import { openDatabase } from './support/open-database.ts';
import { runCommand, UsageError } from './support/run-command.ts';
import { completeSeries, parseSeriesOptions } from './support/series-options.ts';

const HELP = `Writes stored candles of one series, oldest first, with exactly the stored digits. "npm run import" reads it back.

  npm run export -- --exchange ID --symbol BASE/QUOTE --timeframe 1h [--since T] [--until T] [--format csv|ndjson] [--output FILE]

  --exchange   such as binance
  --symbol     such as BTC/USDT
  --timeframe  such as 1m, 4h or 1d
  --since      the first opening time that is wanted: ISO 8601 (UTC) or milliseconds; default: the oldest
  --until      the first that is not wanted any more; default: none
  --format     csv (with a header; the default) or ndjson (a JSON object per line)
  --output     write to this file, which appears once it is complete; .gz packs it. Default, and -: standard output
  --help       this text

Exit codes: 0 written · 1 nothing is stored in that range, or it failed · 2 wrong options`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      exchange: { type: 'string', default: '' },
      symbol: { type: 'string', default: '' },
      timeframe: { type: 'string', default: '' },
      since: { type: 'string', default: '' },
      until: { type: 'string', default: '' },
      format: { type: 'string', default: 'csv' },
      output: { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const series = completeSeries(parseSeriesOptions(values));
  if (!series) throw new UsageError('--exchange, --symbol and --timeframe are needed: they name the series');
  const since = parseMomentOption('since', values.since) ?? 0;
  const range = createRange(since, parseMomentOption('until', values.until) ?? END_OF_TIME_MS);
  if (!range) throw new UsageError('--since must lie before --until');
  const format = readFormat(values.format);

  // A lone dash means standard output, as everywhere.
  const output = values.output.trim() === '-' ? '' : values.output.trim();
  const database = await openDatabase();
  try {
    const pages = createRepositories(database.kysely).ohlcv.stream(series, range);
    const first = await pages.next();
    if (first.done === true)
      throw new AppError('NOTHING_STORED', `no candle of ${seriesKey(series)} is stored in that range`);
    let rows = 0;
    const counted = async function* () {
      for (let page: IteratorResult<Candle[], void> = first; page.done !== true; page = await pages.next()) {
        rows += page.value.length;
        yield page.value;
      }
    };
    const text = toCandleText(series, counted(), format);
    if (output === '') await writeToStandardOutput(text);
    else {
      await writeToFile(text, output);
      console.error(`wrote ${rows.toLocaleString('en-US')} candles of ${seriesKey(series)} to ${output}`);
    }
    return 0;
  } finally {
    await database.close();
  }
});

async function writeToStandardOutput(text: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(text, process.stdout, { end: false });
  } catch (error) {
    // The reader has enough, as in `… | head`.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error;
  }
}

/** The file has its name only once it is whole: a cut export must not look like a short one. */
async function writeToFile(text: AsyncIterable<string>, path: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    const file = createWriteStream(partial);
    await (path.endsWith('.gz') ? pipeline(text, createGzip(), file) : pipeline(text, file));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw new AppError('EXPORT_FAILED', `${path} cannot be written`, { cause: error });
  }
}

function readFormat(text: string): CandleTextFormat {
  const format = CANDLE_TEXT_FORMATS.find((each) => each === text);
  if (format === undefined) throw new UsageError(`--format ${text}: write ${CANDLE_TEXT_FORMATS.join(' or ')}`);
  return format;
}
