import type { CommitEntry } from '../../src/market/commit-entry.ts';
import { feedKey, haveRange } from '../../src/market/coverage.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import type { FuturesFeed } from '../../src/market/futures-snapshot.ts';

const HOUR = 3_600_000;

/** Hourly values of a futures feed of Binance from a moment on, each with its slot as `have`. */
export function feedEntry(
  symbol: string,
  feed: Exclude<FuturesFeed, 'funding_rate'>,
  since: number,
  values: readonly string[],
): CommitEntry {
  return {
    key: feedKey('binance', symbol, feed),
    rows: values.map((value, hour) => ({ timestamp: since + hour * HOUR, [feed]: value as Decimal })),
    changes: [haveRange({ since, until: since + values.length * HOUR })],
    quarantine: [],
  };
}

/** The entry with so many refused rows more. */
export function withRefused(entry: CommitEntry, count: number): CommitEntry {
  const { exchange, symbol, timeframe, metric } = entry.key;
  const refused = Array.from({ length: count }, (_, index) => ({
    exchange,
    symbol,
    timeframe,
    metric,
    claimedAt: null,
    reason: 'high is below low',
    raw: `[${index}]`,
    source: 'rest' as const,
  }));
  return { ...entry, quarantine: [...entry.quarantine, ...refused] };
}
