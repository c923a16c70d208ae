import { messageOf } from '../errors.ts';
import type { Candle, WriteCounts } from '../market/candle.ts';
import { seriesKey, type Series, isExchangeId, isSymbol, type SeriesFilter } from '../market/instrument.ts';
import { parseTimeframe, type Timeframe } from '../market/timeframe.ts';
import { RecordFault, toCandle, type CandleRecord } from './candle-record.ts';
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
const STEP_ROWS = 20_000;
/** Of all series together: a file that mixes hundreds of series must not fill the memory. */
const HELD_ROWS = 60_000;

/**
 * Checks and stores the rows of a source of any length, each series in steps of 20,000. Faulty rows are counted and
 * left out. Where the source breaks off, what it gave until then is stored before its error is thrown.
 */
export async function importCandles({ sink, records, series, nowMs, writers }: ImportDeps): Promise<ImportReport> {
  const pending = new Map<Series, Pending>();
  const writer = new StepWriter({ sink, writers });
  const faults: Fault[] = [];
  const findSeries = createSeriesFinder(series);
  let rows = 0;
  let faulty = 0;
  let held = 0;
  const admit = (record: CandleRecord): Pending | null => {
    rows += 1;
    try {
      const own = findSeries(record);
      const candle = toCandle(record, own.timeframe, nowMs);
      let entry = pending.get(own);
      if (!entry) pending.set(own, (entry = { series: own, candles: [] }));
      entry.candles.push(candle);
      held += 1;
      return entry;
    } catch (error) {
      if (!(error instanceof RecordFault)) throw error;
      faulty += 1;
      if (faults.length < FAULTS_KEPT) faults.push({ line: record.line, reason: error.message });
      return null;
    }
  };
  const flush = async (entry: Pending) => {
    const { candles } = entry;
    entry.candles = [];
    held -= candles.length;
    await writer.write(entry.series, candles);
  };
  const flushAll = async () => {
    for (const entry of pending.values()) if (entry.candles.length > 0) await flush(entry);
  };
  try {
    for await (const list of records) {
      for (const record of list) {
        const entry = admit(record);
        if (entry && entry.candles.length >= STEP_ROWS) await flush(entry);
        else if (held >= HELD_ROWS) await flushAll();
      }
    }
  } finally {
    await flushAll();
    await writer.settle();
  }
  return { ...writer.counts, rows, faulty, faults, series: [...pending.values()].map((entry) => entry.series) };
}

interface Pending {
  readonly series: Series;
  candles: Candle[];
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
