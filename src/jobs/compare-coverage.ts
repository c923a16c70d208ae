import type { AuditedRange } from '../db/repositories/audit-repository.ts';
import { findOverlaps, intersectLists, subtractLists } from '../market/range-lists.ts';
import type { CoverageKey, CoverageRange } from '../market/coverage.ts';
import { countSlots, mergeRanges, type TimeRange } from '../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, isOnGrid, parseTimeframe, timeframeMs } from '../market/timeframe.ts';

/**
 * - `have_without_row`: the ledger has it as stored, and there is no row
 * - `row_outside_have`: a row where the ledger says anything else
 * - `row_unknown`: a row in a range that the ledger does not speak of
 * - `empty_contradicted`: confirmed as empty inside a longer candle with volume that no shorter one with volume explains
 * - `ranges_overlap`, `range_off_grid`: the ledger contradicts itself, or begins or ends inside a slot
 * - `row_off_grid`: a row at no opening time; left as it is
 * - `key_invalid`: the ledger has a timeframe that is none; left as it is
 */
export const DIFFERENCE_KINDS = [
  'have_without_row',
  'row_outside_have',
  'row_unknown',
  'empty_contradicted',
  'ranges_overlap',
  'range_off_grid',
  'row_off_grid',
  'key_invalid',
] as const;
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

/** One range in which ledger and rows differ. */
export interface CoverageDifference extends TimeRange {
  readonly key: CoverageKey;
  readonly kind: DifferenceKind;
  /** How many slots (of `row_off_grid`: rows) it is about. */
  readonly slots: number;
}

/** Everything in which the ledger differs from the rows, by kind, each kind oldest first. */
export function compareCoverage(part: AuditedRange): CoverageDifference[] {
  const { key, ledger, stored, lacking, strays, contradicted } = part;
  const timeframe = parseTimeframe(key.timeframe);
  const have = mergeRanges(ledger.filter(({ state }) => state === 'have'));
  const known = mergeRanges(ledger);
  const outside = subtractLists(stored, have);
  const offGrid = ledger.filter(({ since, until }) => !isOnGrid(since, timeframe) || !isOnGrid(until, timeframe));
  const found: Partial<Record<DifferenceKind, readonly TimeRange[]>> = {
    have_without_row: intersectLists(lacking, have),
    row_outside_have: intersectLists(outside, known),
    row_unknown: subtractLists(outside, known),
    empty_contradicted: intersectLists(
      subtractLists(mergeRanges(ledger.filter(({ state }) => state === 'confirmed_empty')), stored),
      contradicted,
    ),
    ranges_overlap: findOverlaps(ledger),
    range_off_grid: offGrid,
    row_off_grid: strays.map((time) => ({ since: time, until: time + 1 })),
  };
  return DIFFERENCE_KINDS.flatMap((kind) =>
    (found[kind] ?? []).map(({ since, until }) => ({
      key,
      kind,
      since,
      until,
      slots: countSlots({ since, until }, timeframeMs(timeframe)),
    })),
  );
}

/**
 * What to write so that the ledger tells the truth: rows are `have`, and what was noted as stored without a row is
 * `missing`, to be fetched again. Ranges that contradict themselves are told anew from the rows.
 */
export function planLedgerRepair(part: AuditedRange): CoverageRange[] {
  const timeframe = parseTimeframe(part.key.timeframe);
  const differences = compareCoverage(part);
  const of = (...kinds: DifferenceKind[]) => mergeRanges(differences.filter(({ kind }) => kinds.includes(kind)));
  const broken = mergeRanges(
    of('ranges_overlap', 'range_off_grid').map(({ since, until }) => ({
      since: floorToTimeframe(since, timeframe),
      until: ceilToTimeframe(until, timeframe),
    })),
  );
  const lost = [...of('have_without_row'), ...intersectLists(broken, part.lacking)];
  const found = [...of('row_outside_have', 'row_unknown'), ...subtractLists(broken, part.lacking)];
  const doubted = subtractLists(of('empty_contradicted'), broken);
  return [
    ...mergeRanges(lost).map((range) => toMissing(range, 'the ledger had it as stored and an audit found no row')),
    ...doubted.map((range) => toMissing(range, 'it was confirmed empty and a longer candle has volume there')),
    ...mergeRanges(found).map(toHave),
  ].toSorted((a, b) => a.since - b.since);
}

/** Wanted anew: nobody has asked for it since. */
export function toMissing({ since, until }: TimeRange, reason: string): CoverageRange {
  return { since, until, state: 'missing', asks: 0, firstAskedAt: null, lastAskedAt: null, reason };
}

function toHave({ since, until }: TimeRange): CoverageRange {
  return { since, until, state: 'have', asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
}
