/* eslint-disable @typescript-eslint/require-await -- the ports are asynchronous; memory answers at once */
import { clipCoverage } from '../../../src/db/repositories/overlay-coverage.ts';
import type {
  CoverageFilter,
  CoverageSummary,
  StoredCoverage,
} from '../../../src/db/repositories/coverage-repository.ts';
import { MAX_LISTED_GAPS, type LedgerGap } from '../../../src/db/repositories/ledger-gaps.ts';
import { AppError } from '../../../src/errors.ts';
import type { HttpRepositories } from '../../../src/http/create-http-app.ts';
import { COVERAGE_STATES, type CoverageState } from '../../../src/market/coverage.ts';
import { countSlots, intersectRanges, type TimeRange } from '../../../src/market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../../../src/market/timeframe.ts';

const KEY_FIELDS = ['exchange', 'symbol', 'timeframe', 'metric'] as const;

/** The ledger's lists over ranges in memory, which are ordered by key and time. A place in it is a number. */
export function readLedger(listStored: () => readonly StoredCoverage[]): HttpRepositories['coverage'] {
  const filter = (wanted: CoverageFilter) => {
    const { states, range, ...key } = wanted;
    return listStored()
      .filter((stored) => KEY_FIELDS.every((name) => key[name] === undefined || key[name] === stored[name]))
      .filter(({ state }) => states === undefined || states.includes(state))
      .flatMap((stored) => {
        const part = range ? clipCoverage(stored, range) : stored;
        return part ? [{ ...stored, ...part }] : [];
      });
  };
  return {
    listRanges: async (wanted, { limit, after = '0' }) => {
      if (!/^\d+$/.test(after)) throw new AppError('CURSOR_INVALID', `${after} is no place`);
      const start = Number(after);
      const ranges = filter(wanted);
      const next = start + limit < ranges.length ? String(start + limit) : null;
      return { ranges: ranges.slice(start, start + limit), next };
    },
    summarize: async (key) =>
      [...Map.groupBy(filter(key ?? {}), (stored) => KEY_FIELDS.map((name) => stored[name]).join('\t')).values()].map(
        sumUp,
      ),
  };
}

function sumUp(ranges: readonly StoredCoverage[]): CoverageSummary {
  const { exchange, symbol, timeframe, metric } = ranges[0]!;
  const slotMs = timeframeMs(parseTimeframe(timeframe));
  const slots = Object.fromEntries(COVERAGE_STATES.map((state) => [state, 0])) as Record<CoverageState, number>;
  for (const range of ranges) slots[range.state] += countSlots(range, slotMs);
  return {
    key: { exchange, symbol, timeframe, metric },
    since: Math.min(...ranges.map(({ since }) => since)),
    until: Math.max(...ranges.map(({ until }) => until)),
    ranges: ranges.length,
    slots,
  };
}

/** The parts of the gaps that lie in the range, as an answer lists them. */
export function clipGaps<G extends LedgerGap>(gaps: readonly G[], range: TimeRange): G[] {
  return gaps
    .flatMap((gap) => {
      const part = intersectRanges(gap, range);
      return part ? [{ ...gap, ...part }] : [];
    })
    .slice(0, MAX_LISTED_GAPS + 1);
}
