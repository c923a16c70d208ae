import type { CoverageKey } from '../market/coverage.ts';
import { parseTimeframe, timeframeMs } from '../market/timeframe.ts';
import { toMissing } from './compare-coverage.ts';
import type { AuditStores } from './run-audit.ts';

const RANGE_SLOTS = 100_000;
const REASON = 'somebody asked for it to be looked at again';

/**
 * Notes what is confirmed as empty as missing, as if nobody had asked yet, so that the service asks anew. One
 * transaction for each range of each key.
 *
 * @returns how many slots of how many series and feeds; `matched` counts those that `includes` takes.
 */
export async function recheckEmpty(
  audit: Pick<AuditStores['audit'], 'listKeys' | 'repair'>,
  includes: (key: CoverageKey) => boolean,
): Promise<{ readonly matched: number; readonly series: number; readonly slots: number }> {
  const keys = (await audit.listKeys()).filter(({ key }) => includes(key));
  const counts = { matched: keys.length, series: 0, slots: 0 };
  for (const { key, since, until } of keys) {
    const stepMs = timeframeMs(parseTimeframe(key.timeframe));
    let slots = 0;
    for (let start = since; start < until; start += RANGE_SLOTS * stepMs) {
      const range = { since: start, until: Math.min(start + RANGE_SLOTS * stepMs, until) };
      const changes = await audit.repair(key, range, ({ ledger }) =>
        ledger.filter(({ state }) => state === 'confirmed_empty').map((empty) => toMissing(empty, REASON)),
      );
      slots += changes.reduce((sum, change) => sum + (change.until - change.since) / stepMs, 0);
    }
    counts.slots += slots;
    if (slots > 0) counts.series++;
  }
  return counts;
}
