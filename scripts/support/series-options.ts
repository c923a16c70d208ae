import { isExchangeId, isSymbol, type Series, type SeriesFilter } from '../../src/market/instrument.ts';
import { parseTimeframe, type Timeframe } from '../../src/market/timeframe.ts';
import { UsageError } from './run-command.ts';

/**
 * The options --exchange, --symbol and --timeframe; an option that is empty (as from `make`) counts as not given.
 *
 * @throws UsageError where one is malformed.
 */
export function parseSeriesOptions(options: { exchange?: string; symbol?: string; timeframe?: string }): SeriesFilter {
  const exchange = options.exchange?.trim() ?? '';
  const symbol = options.symbol?.trim() ?? '';
  const timeframe = options.timeframe?.trim() ?? '';
  if (exchange !== '' && !isExchangeId(exchange))
    throw new UsageError(`--exchange ${exchange}: write an id in lower case, such as binance`);
  if (symbol !== '' && !isSymbol(symbol))
    throw new UsageError(`--symbol ${symbol}: write BASE/QUOTE, such as BTC/USDT`);
  return {
    ...(exchange === '' ? {} : { exchange }),
    ...(symbol === '' ? {} : { symbol }),
    ...(timeframe === '' ? {} : { timeframe: readTimeframe(timeframe) }),
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
