import type { Candle } from '../../src/market/candle.ts';
import type { Series } from '../../src/market/instrument.ts';
import type { ExportFormat } from '../../src/http/formats/formats.ts';
import { toIso } from '../../src/market/moments.ts';

interface TextWriter {
  /** What stands before the first candle. */
  readonly head: string;
  readonly write: (series: Series, candle: Candle) => string;
}

/** The exports of the service that are text; Parquet is made in its process, in a thread of its own. */
export type CandleTextFormat = Exclude<ExportFormat, 'parquet'>;

const WRITERS: Readonly<Record<CandleTextFormat, TextWriter>> = {
  csv: {
    head: 'exchange,symbol,timeframe,timestamp,open,high,low,close,volume\n',
    write: ({ exchange, symbol, timeframe }, { timestamp, open, high, low, close, volume }) =>
      `${exchange},${symbol},${timeframe},${toIso(timestamp)},${open},${high},${low},${close},${volume}\n`,
  },
  ndjson: {
    head: '',
    write: ({ exchange, symbol, timeframe }, { timestamp, open, high, low, close, volume }) => {
      const row = { exchange, symbol, timeframe, timestamp: toIso(timestamp), open, high, low, close, volume };
      return `${JSON.stringify(row)}\n`;
    },
  },
};

export const CANDLE_TEXT_FORMATS = Object.keys(WRITERS) as CandleTextFormat[];

/**
 * Candles as text in pieces: a CSV with a header, or a JSON object per line. Times are ISO 8601 in UTC, decimals have
 * exactly the stored digits, and each row names its series, so that `import` takes it back as it is.
 */
export async function* toCandleText(
  series: Series,
  pages: AsyncIterable<readonly Candle[]>,
  format: CandleTextFormat,
): AsyncGenerator<string, void> {
  const { head, write } = WRITERS[format];
  if (head !== '') yield head;
  for await (const page of pages) yield page.map((candle) => write(series, candle)).join('');
}
