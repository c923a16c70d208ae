import type { CandleRecord } from './candle-record.ts';

const SEPARATORS = /[\s,]*/y;
/** In characters; a bracket that nothing closes must not draw the whole file into memory. */
const LONGEST_ROW = 10_000;
/** Rows of Binance's own answers, whose seventh field is the closing time. */
const KLINE_FIELDS = 12;

/**
 * The rows of `[[time, open, high, low, close, volume], …]`, as freqtrade and ccxt's users keep them. Numbers are taken as
 * they are written, which JSON.parse would round; the text is never held whole.
 *
 * @throws what `fail` makes of the reason, where the text is no such array or ends before it does.
 */
export async function* readJsonRows(
  chunks: AsyncIterable<string>,
  fail: (reason: string) => Error,
): AsyncGenerator<CandleRecord[], void> {
  let text = '';
  let line = 1;
  let state: 'before' | 'inside' | 'after' = 'before';
  let fault: string | null = null;
  for await (const chunk of chunks) {
    text += chunk;
    const records: CandleRecord[] = [];
    let position = 0;
    const skipTo = (end: number) => {
      for (let at = text.indexOf('\n', position); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) line += 1;
      position = end;
    };
    while (fault === null) {
      SEPARATORS.lastIndex = position;
      SEPARATORS.test(text);
      skipTo(SEPARATORS.lastIndex);
      if (position >= text.length) break;
      const character = text[position];
      const end = character === '[' ? text.indexOf(']', position) : -1;
      if (state === 'before' && character === '[') {
        state = 'inside';
        skipTo(position + 1);
      } else if (state === 'inside' && character === ']') {
        state = 'after';
        skipTo(position + 1);
      } else if (state === 'inside' && end >= 0) {
        records.push(toRecord(text.slice(position + 1, end), line));
        skipTo(end + 1);
      } else if (state === 'inside' && character === '[' && text.length - position < LONGEST_ROW) {
        break;
      } else {
        fault = `line ${line} has "${text.slice(position, position + 20)}" where a row [time, …] is expected`;
      }
    }
    text = text.slice(position);
    yield records;
    if (fault !== null) throw fail(fault);
  }
  if (state !== 'after') throw fail(`it ends on line ${line} in the middle of the array: it was cut`);
}

function toRecord(row: string, line: number): CandleRecord {
  const fields = row.replaceAll('"', '').split(',').map(trim);
  const [time, open, high, low, close, volume] = fields;
  const closingTime = fields.length === KLINE_FIELDS ? fields[6] : undefined;
  return { line, time, closingTime, open, high, low, close, volume };
}

function trim(text: string): string {
  return text.trim();
}
