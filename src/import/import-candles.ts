import { AppError, messageOf } from '../errors.ts';
import type { WriteCounts } from '../market/candle.ts';
import { seriesKey, type Series, isExchangeId, isSymbol, type SeriesFilter } from '../market/instrument.ts';
import { parseTimeframe, type Timeframe } from '../market/timeframe.ts';
import { readSpan, RecordFault, toCandle, type CandleRecord } from './candle-record.ts';
import { JUDGED_ROWS, JudgedSeries, TimeframeContradiction } from './judged-series.ts';
import { StepWriter, type CandleSink } from './step-writer.ts';

interface Fault {
  readonly line: number;
  readonly reason: string;
}

export interface ImportReport extends WriteCounts {
  /** Rows read, good and faulty. */
  readonly rows: number;
  readonly faulty: number;
  /** The first ten. */
  readonly faults: readonly Fault[];
  /** The series that had a good row. */
  readonly series: readonly Series[];
}

export interface ImportDeps {
  /** null: check the rows only. */
  readonly sink: CandleSink | null;
  readonly records: AsyncIterable<readonly CandleRecord[]>;
  /** Taken where a row does not name its series; a row that names another one is faulty. */
  readonly series: SeriesFilter;
  /** Candles that have not ended then are refused. */
  readonly nowMs: number;
  /** How many steps are written at a time. */
  readonly writers: number;
}

const FAULTS_KEPT = 10;
/** Of one series: what one transaction writes. */
const STEP_ROWS = JUDGED_ROWS;
/** Of all series together: a file that mixes hundreds of series must not fill the memory. */
const HELD_ROWS = 60_000;

/**
 * Checks and stores the rows of a source of any length, each series in steps of 20,000. Faulty rows are counted and
 * left out. Where the source breaks off, what it gave until then is stored before its error is thrown.
 *
 * What is to be stored was judged before, 20,000 rows of a series at a time: where most of them contradict its timeframe,
 * the import ends, and nothing more is stored.
 *
 * @throws AppError `IMPORT_TIMEFRAME`, which says what was stored until then: nothing, where the first rows contradict it.
 */
export async function importCandles({ sink, records, series, nowMs, writers }: ImportDeps): Promise<ImportReport> {
  const pending = new Map<Series, JudgedSeries>();
  const writer = new StepWriter({ sink, writers });
  const faults: Fault[] = [];
  const findSeries = createSeriesFinder(series);
  const sound = new Set<Series>();
  let rows = 0;
  let faulty = 0;
  let held = 0;
  const admit = (record: CandleRecord): JudgedSeries | null => {
    rows += 1;
    try {
      const own = findSeries(record);
      let entry = pending.get(own);
      if (!entry) pending.set(own, (entry = new JudgedSeries(own)));
      const span = readSpan(record);
      entry.note(span, record.line);
      entry.candles.push(toCandle(record, own.timeframe, nowMs, span));
      sound.add(own);
      held += 1;
      return entry;
    } catch (error) {
      if (!(error instanceof RecordFault)) throw error;
      faulty += 1;
      if (faults.length < FAULTS_KEPT) faults.push({ line: record.line, reason: error.message });
      return null;
    }
  };
  const flush = async (entry: JudgedSeries) => {
    entry.judge();
    const { candles } = entry;
    entry.candles = [];
    held -= candles.length;
    await writer.write(entry.series, candles);
  };
  const flushAll = async () => {
    for (const entry of pending.values()) entry.judge();
    for (const entry of pending.values()) if (entry.candles.length > 0) await flush(entry);
  };
  const readAll = async () => {
    for await (const list of records) {
      for (const record of list) {
        const entry = admit(record);
        if (entry && entry.candles.length >= STEP_ROWS) await flush(entry);
        else if (held >= HELD_ROWS) await flushAll();
      }
    }
  };
  try {
    let broken: { readonly error: unknown } | null = null;
    try {
      await readAll();
    } catch (error) {
      if (error instanceof TimeframeContradiction) throw error;
      broken = { error };
    }
    await flushAll();
    await writer.settle();
    if (broken) throw broken.error;
  } catch (error) {
    if (!(error instanceof TimeframeContradiction)) throw error;
    await writer.settle();
    throw toRefusal(error, writer.counts);
  }
  return { ...writer.counts, rows, faulty, faults, series: [...sound] };
}

function toRefusal({ series, line, message }: TimeframeContradiction, counts: WriteCounts): AppError {
  const rows = counts.inserted + counts.updated + counts.unchanged;
  const told =
    rows === 0
      ? 'Nothing was stored'
      : `${rows.toLocaleString('en-US')} rows that came before are stored, nothing of these is`;
  return new AppError(
    'IMPORT_TIMEFRAME',
    `the rows from line ${line} on are no candles of ${seriesKey(series)}: ${message}. ${told}. Give the timeframe that ` +
      'the file holds, as --timeframe (TIMEFRAME)',
  );
}

/** Finds the series of each row; rows of one series get the same object. */
function createSeriesFinder(given: SeriesFilter): (record: CandleRecord) => Series {
  const known = new Map<string, Series>();
  let latest: Series | null = null;
  return ({ exchange = given.exchange, symbol = given.symbol, timeframe = given.timeframe }) => {
    if (latest && latest.symbol === symbol && latest.timeframe === timeframe && latest.exchange === exchange)
      return latest;
    const key = `${exchange}\n${symbol}\n${timeframe}`;
    const found = known.get(key);
    if (found) return (latest = found);
    if (exchange === undefined || !isExchangeId(exchange))
      throw new RecordFault(`"${exchange ?? ''}" is no exchange id`);
    if (symbol === undefined || !isSymbol(symbol))
      throw new RecordFault(`"${symbol ?? ''}" is no symbol such as BTC/USDT`);
    const own = { exchange, symbol, timeframe: readTimeframe(timeframe ?? '') };
    const other = (['exchange', 'symbol', 'timeframe'] as const).find(
      (part) => given[part] !== undefined && given[part] !== own[part],
    );
    if (other) throw new RecordFault(`the row is of ${seriesKey(own)}, but --${other} ${given[other] ?? ''} was given`);
    known.set(key, own);
    latest = own;
    return own;
  };
}

function readTimeframe(text: string): Timeframe {
  try {
    return parseTimeframe(text);
  } catch (error) {
    throw new RecordFault(messageOf(error));
  }
}
