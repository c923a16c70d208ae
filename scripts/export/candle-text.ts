import type { Candle } from '../../src/market/candle.ts';
import type { Series } from '../../src/market/instrument.ts';
import { toIso } from '../../src/market/moments.ts';

export type ExportFormat = 'csv' | 'ndjson';

/**
 * Candles as text in pieces: a CSV with a header, or a JSON object per line. Times are ISO 8601 in UTC, decimals have
 * exactly the stored digits, and each row names its series, so that `import` takes it back as it is.
 */
export async function* toCandleText(
  series: Series,
  pages: AsyncIterable<readonly Candle[]>,
  format: ExportFormat,
): AsyncGenerator<string, void> {
  const { exchange, symbol, timeframe } = series;
  if (format === 'csv') yield 'exchange,symbol,timeframe,timestamp,open,high,low,close,volume\n';
  for await (const page of pages) {
    let text = '';
    for (const candle of page) {
      const { open, high, low, close, volume } = candle;
      const timestamp = toIso(candle.timestamp);
      text +=
        format === 'csv'
          ? `${exchange},${symbol},${timeframe},${timestamp},${open},${high},${low},${close},${volume}\n`
          : `${JSON.stringify({ exchange, symbol, timeframe, timestamp, open, high, low, close, volume })}\n`;
    }
    yield text;
  }
}
