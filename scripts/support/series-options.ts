import { readExchangeId, readSymbol, type Series, type SeriesFilter } from '../../src/market/instrument.ts';
import { parseTimeframe, type Timeframe } from '../../src/market/timeframe.ts';
import { UsageError } from './run-command.ts';

/**
 * The options --exchange, --symbol and --timeframe, spelled as in queries of the service; an option that is empty (as
 * from `make`) counts as not given.
 *
 * @throws UsageError where one is malformed.
 */
export function parseSeriesOptions(options: { exchange?: string; symbol?: string; timeframe?: string }): SeriesFilter {
  const given = (name: keyof typeof options) => options[name]?.trim() ?? '';
  const exchange = readExchangeId(given('exchange'));
  const symbol = readSymbol(given('symbol'));
  if (given('exchange') !== '' && exchange === null)
    throw new UsageError(`--exchange ${given('exchange')}: write an exchange's id, such as binance`);
  if (given('symbol') !== '' && symbol === null)
    throw new UsageError(`--symbol ${given('symbol')}: write BASE/QUOTE, such as BTC/USDT`);
  return {
    ...(exchange === null ? {} : { exchange }),
    ...(symbol === null ? {} : { symbol }),
    ...(given('timeframe') === '' ? {} : { timeframe: readTimeframe(given('timeframe')) }),
  };
}

/** The series, or null where part of it is missing. */
export function completeSeries({ exchange, symbol, timeframe }: SeriesFilter): Series | null {
  return exchange !== undefined && symbol !== undefined && timeframe !== undefined
    ? { exchange, symbol, timeframe }
    : null;
}

function readTimeframe(text: string): Timeframe {
  try {
    return parseTimeframe(text);
  } catch (error) {
    throw new UsageError('--timeframe', { cause: error });
  }
}
