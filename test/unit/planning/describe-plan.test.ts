import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describePlan } from '../../../src/planning/describe-plan.ts';
import { planBackfill, type PlannedExchange } from '../../../src/planning/plan-backfill.ts';

const SINCE = Date.UTC(2023, 0, 1);
const YEARS = { since: SINCE, until: SINCE + 1000 * 86_400_000 };
const EXCHANGE: PlannedExchange = {
  id: 'binance',
  candleLimit: 1000,
  futuresFeeds: new Map([['open_interest', { limit: 500 }]]),
  budgets: [{ name: 'spot', limit: 6000, windowMs: 60_000 }],
  costOf: () => [{ counter: 'spot', weight: 2 }],
};

function planFor(exchange: PlannedExchange, symbols: number) {
  const keys = Array.from({ length: symbols }, (_, index) => ({
    exchange: exchange.id,
    symbol: `C${index}/USDT`,
    timeframe: '1m',
    metric: 'ohlcv' as const,
    missing: [YEARS],
  }));
  return planBackfill({ window: YEARS, exchanges: [exchange], keys, rowBytes: { candle: 216, futures: 304 } });
}

describe('describePlan', () => {
  it('tells what a large backfill costs, in units for people', () => {
    assert.equal(
      describePlan({ ...planFor(EXCHANGE, 500), left_out: ['okx cannot be planned: it does not answer'] }),
      [
        'Backfill of 2023-01-01 to 2025-09-27 (UTC), what is not stored yet:',
        '',
        'binance',
        '  candles 1m             500 series, 720,000,000 candles, 720,000 requests',
        '  allowance spot         1,440,000 of 6,000 per 60 s: about 5.7 h',
        '',
        'At most 720,000 requests, about 5.7 h, 720,000,000 rows, 156 GB.',
        'What was left out (below) is not in it: what that costs is not known.',
        'Markets listed later than the first day cost less.',
        '! okx cannot be planned: it does not answer',
      ].join('\n'),
    );
  });

  it('says that the cost is not known where no exchange could be planned', () => {
    const plan = planBackfill({ window: YEARS, exchanges: [], keys: [], rowBytes: { candle: 216, futures: 304 } });
    const told = describePlan({ ...plan, left_out: ['binance cannot be planned: it does not answer'] });
    assert.match(told, /not known/);
    assert.match(told, /^! binance cannot be planned/m);
    assert.doesNotMatch(told, /At most|0 requests/);
  });

  it('says that nothing is missing, and where the time is not known', () => {
    const nothing = describePlan({ ...planFor(EXCHANGE, 0), left_out: [] });
    assert.match(nothing, /^ {2}nothing is missing$/m);
    assert.match(nothing, /^At most 0 requests, no time, 0 rows, 0 B\.$/m);
    const paced = describePlan({ ...planFor({ ...EXCHANGE, id: 'okx', budgets: [] }, 1), left_out: [] });
    assert.match(paced, /how long its allowance lasts is not known/);
    assert.match(paced, /^At most 1,440 requests, 1,440,000 rows, 311 MB\.$/m);
  });
});
