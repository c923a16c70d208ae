import type { Kysely } from 'kysely';
import type { Candle } from '../../market/candle.ts';
import type { Decimal } from '../../market/decimal.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database } from '../schema.ts';
import { copyTo } from './copy-stream.ts';
import { quoteLiteral } from './quote-literal.ts';

const PAGE_ROWS = 20_000;

/**
 * All candles of the range, oldest first, in pages. A page is fetched whole by COPY, which costs a third of what rows
 * through the query protocol cost, and the next one is on its way while the consumer works on the last.
 */
export async function* streamCandles(
  kysely: Kysely<Database>,
  series: Series,
  range: TimeRange,
): AsyncGenerator<Candle[], void> {
  let ahead: Promise<Candle[]> | null = fetchPage(kysely, series, range);
  try {
    while (ahead) {
      const page: Candle[] = await ahead;
      const last = page.at(-1);
      ahead =
        last && page.length === PAGE_ROWS
          ? fetchPage(kysely, series, { since: last.timestamp + 1, until: range.until })
          : null;
      // The consumer may take long or stop: a failure must not count as unhandled before it is awaited.
      ahead?.catch(() => undefined);
      if (page.length > 0) yield page;
    }
  } finally {
    await ahead?.catch(() => undefined);
  }
}

async function fetchPage(kysely: Kysely<Database>, series: Series, { since, until }: TimeRange): Promise<Candle[]> {
  // COPY takes no parameters.
  const answer = await copyTo(
    kysely,
    `copy (
       select (extract(epoch from timestamp) * 1000)::bigint, open, high, low, close, volume from ohlcv_data
       where exchange = ${quoteLiteral(series.exchange)} and symbol = ${quoteLiteral(series.symbol)}
         and timeframe = ${quoteLiteral(series.timeframe)}
         and timestamp >= '${new Date(since).toISOString()}' and timestamp < '${new Date(until).toISOString()}'
       order by timestamp limit ${PAGE_ROWS}
     ) to stdout`,
  );
  const lines = answer.toString('latin1').split('\n');
  lines.pop();
  return lines.map((line) => {
    const [time, open, high, low, close, volume] = line.split('\t') as [string, ...Decimal[]] as CopiedCandle;
    return { timestamp: Number(time), open, high, low, close, volume };
  });
}

type CopiedCandle = [time: string, open: Decimal, high: Decimal, low: Decimal, close: Decimal, volume: Decimal];
