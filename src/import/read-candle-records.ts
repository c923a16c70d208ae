import { AppError } from '../errors.ts';
import type { CandleRecord } from './candle-record.ts';
import { readJsonRows } from './read-json-rows.ts';

/** Turns one line that is not empty into a record. */
type ReadLine = (line: string, number: number) => CandleRecord;

const VALUES = ['open', 'high', 'low', 'close', 'volume'] as const;
/** Binance calls it open_time, pandas date, ccxt's users timestamp. */
const TIME_NAMES = ['timestamp', 'open_time', 'time', 'date'];

/** Binance's name of it, in its archives that have a header. */
const CLOSING_NAME = 'close_time';

/** https://github.com/binance/binance-public-data: twelve columns, no header in spot files. */
const ARCHIVE_COLUMNS = 12;

export interface RecordSource {
  /** What the content was recognised as, for people. */
  readonly format: string;
  /** Whether each row names its series. */
  readonly hasSeries: boolean;
  /** In the order of the file, in lists of any length. */
  readonly records: AsyncIterable<CandleRecord[]>;
}

/**
 * Recognises by content what a text holds: a CSV with a header (our own export's too), Binance's archive CSV without
 * one, a JSON array of rows, or a JSON object per line (our own export).
 *
 * @throws AppError `IMPORT_FORMAT` where it is none of them, or empty; a JSON array that is cut or broken throws so
 * while it is read.
 */
export async function readCandleRecords(chunks: AsyncIterable<string>): Promise<RecordSource> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head = '';
  // The first line that is not empty tells; a JSON array may have none.
  while (!isTelling(head.trimStart())) {
    const next = await iterator.next();
    if (next.done === true) break;
    head += next.value;
    if (head.length > 1_000_000) throw formatError('its first line has more than a million characters');
  }
  async function* whole() {
    yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  const first = head.trimStart().split('\n', 1)[0]?.trim() ?? '';
  if (first === '') throw formatError('it is empty');
  if (first.startsWith('['))
    return { format: 'JSON rows', hasSeries: false, records: readJsonRows(whole(), (reason) => formatError(reason)) };
  if (first.startsWith('{'))
    return {
      format: 'JSON lines',
      hasSeries: first.includes('"exchange"'),
      records: readLines(whole(), readJsonLine, false),
    };
  const fields = splitFields(first);
  if (/^\d+$/.test(fields[0] ?? '')) {
    if (fields.length !== ARCHIVE_COLUMNS)
      throw formatError(`without a header it must have Binance's ${ARCHIVE_COLUMNS} columns, and has ${fields.length}`);
    return { format: 'Binance archive CSV', hasSeries: false, records: readLines(whole(), readArchiveLine, false) };
  }
  return readHeaderCsv(fields, whole());
}

function readHeaderCsv(header: readonly string[], chunks: AsyncIterable<string>): RecordSource {
  const names = header.map((name) => name.trim().toLowerCase());
  const at = (name: string) => names.indexOf(name);
  const time = TIME_NAMES.map(at).find((index) => index >= 0);
  const missing = VALUES.filter((name) => at(name) < 0);
  if (time === undefined || missing.length > 0)
    throw formatError(
      `its first line "${header.join(',').slice(0, 120)}" is no header with ${TIME_NAMES.join('|')},${VALUES.join(',')}`,
    );
  const [open, high, low, close, volume] = VALUES.map(at) as [number, number, number, number, number];
  const [exchange, symbol, timeframe] = [at('exchange'), at('symbol'), at('timeframe')];
  const [closingTime, partial] = [at(CLOSING_NAME), at('partial')];
  const readLine: ReadLine = (line, number) => {
    const fields = splitFields(line);
    return {
      line: number,
      exchange: fields[exchange],
      symbol: fields[symbol],
      timeframe: fields[timeframe],
      time: fields[time],
      closingTime: fields[closingTime],
      open: fields[open],
      high: fields[high],
      low: fields[low],
      close: fields[close],
      volume: fields[volume],
      partial: fields[partial],
    };
  };
  const hasSeries = exchange >= 0 && symbol >= 0 && timeframe >= 0;
  return { format: 'CSV', hasSeries, records: readLines(chunks, readLine, true) };
}

function readArchiveLine(line: string, number: number): CandleRecord {
  const [time, open, high, low, close, volume, closingTime] = splitFields(line);
  return { line: number, time, closingTime, open, high, low, close, volume };
}

function readJsonLine(line: string, number: number): CandleRecord {
  try {
    const row = JSON.parse(line) as Record<string, unknown> | null;
    const text = (name: string) => {
      const value = row?.[name];
      return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
    };
    const [exchange, symbol, timeframe] = [text('exchange'), text('symbol'), text('timeframe')];
    const [open, high, low, close, volume] = VALUES.map(text);
    const [time, closingTime, partial] = [text('timestamp'), text(CLOSING_NAME), text('partial')];
    return { line: number, exchange, symbol, timeframe, time, closingTime, open, high, low, close, volume, partial };
  } catch {
    // A record without anything is reported with its line number, as every row that is no candle.
    return { line: number };
  }
}

/** No value of a candle needs quotes or holds a comma; some tools quote all the same. */
function splitFields(line: string): string[] {
  return (line.includes('"') ? line.replaceAll('"', '') : line).split(',');
}

async function* readLines(
  chunks: AsyncIterable<string>,
  readLine: ReadLine,
  hasHeader: boolean,
): AsyncGenerator<CandleRecord[], void> {
  let rest = '';
  let number = 0;
  let skip = hasHeader;
  const read = (lines: readonly string[]) => {
    const records: CandleRecord[] = [];
    for (const line of lines) {
      number += 1;
      const text = line.trim();
      if (text === '') continue;
      if (!skip) records.push(readLine(text, number));
      skip = false;
    }
    return records;
  };
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield read(lines);
  }
  yield read([rest]);
}

function formatError(reason: string): AppError {
  return new AppError(
    'IMPORT_FORMAT',
    `the file is not understood: ${reason}. It may be a CSV with a header, Binance's archive CSV, ` +
      'a JSON array of [time, open, high, low, close, volume], or what "npm run export" writes',
  );
}

/** Whether the beginning of a text tells what it is: its first line is whole, or begins an array. */
function isTelling(head: string): boolean {
  // No regular expression: one that looks for a line break from each character takes minutes where there is none.
  return head.startsWith('[') || head.includes('\n');
}
