import { haveRange, type CoverageRange } from '../../market/coverage.ts';
import { subtractLists } from '../../market/range-lists.ts';
import { intersectRanges, mergeRanges, type TimeRange } from '../../market/time-range.ts';

/** The first and last moment that the ledger can hold: PostgreSQL reads ISO times of the years 1 to 9999. */
const FIRST_MS = Date.UTC(1970, 0, 1) - 62_135_596_800_000;
const LAST_MS = Date.UTC(9999, 11, 31);

/**
 * What the ledger says once `changes` are laid over what is stored: changes win where they overlap stored ranges, later
 * ones over earlier ones, and neighbours of the same state and reason are joined.
 *
 * What is still `missing` is joined only where the evidence is the same: an answer for one half is none for the other.
 * Settled neighbours become one with the fewer asks, the earliest and the latest time. `have` carries no evidence.
 *
 * @returns oldest first, without overlaps.
 */
export function overlayCoverage(stored: readonly CoverageRange[], changes: readonly CoverageRange[]): CoverageRange[] {
  let laid: CoverageRange[] = [];
  for (const change of changes.map(normalize)) {
    // Mostly the changes of a page, which follow each other.
    if ((laid.at(-1)?.until ?? -Infinity) <= change.since) laid.push(change);
    else laid = [...subtractLists(laid, [change]), change].toSorted((a, b) => a.since - b.since);
  }
  const taken = mergeRanges(changes);
  return joinNeighbours([...subtractLists(stored, taken), ...laid].toSorted((a, b) => a.since - b.since));
}

/**
 * @throws RangeError where a range is empty, or is none of whole milliseconds in the years 1 to 9999, or its evidence is
 * no count.
 */
export function assertCoverage(ranges: readonly CoverageRange[]): void {
  for (const { since, until, asks } of ranges) {
    if (
      !Number.isSafeInteger(since) ||
      !Number.isSafeInteger(until) ||
      since < FIRST_MS ||
      until > LAST_MS ||
      since >= until
    )
      throw new RangeError(`[${since}, ${until}) is no range of coverage: give epoch milliseconds, since before until`);
    if (!Number.isSafeInteger(asks) || asks < 0) throw new RangeError(`${asks} is no number of asks: give 0 or more`);
  }
}

/** Whether both say the same of the same range. */
export function isSameCoverage(a: CoverageRange, b: CoverageRange): boolean {
  return (
    a.since === b.since && a.until === b.until && a.reason === b.reason && a.state === b.state && hasSameEvidence(a, b)
  );
}

/** The part of the range inside `window`, with its state and evidence; null where there is none. */
export function clipCoverage(range: CoverageRange, window: TimeRange): CoverageRange | null {
  const part = intersectRanges(range, window);
  return part && { ...range, ...part };
}

function normalize(range: CoverageRange): CoverageRange {
  return range.state === 'have' ? haveRange(range) : range;
}

function joinNeighbours(ranges: readonly CoverageRange[]): CoverageRange[] {
  const joined: CoverageRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    // Only hands can have made stored ranges overlap: the one that begins first keeps what it says.
    const since = Math.max(range.since, last?.until ?? -Infinity);
    if (since >= range.until) continue;
    if (last && last.until === since && mayJoin(last, range)) joined[joined.length - 1] = join(last, range);
    else joined.push({ ...range, since });
  }
  return joined;
}

function mayJoin(a: CoverageRange, b: CoverageRange): boolean {
  return a.state === b.state && a.reason === b.reason && (a.state !== 'missing' || hasSameEvidence(a, b));
}

function hasSameEvidence(a: CoverageRange, b: CoverageRange): boolean {
  return a.asks === b.asks && a.firstAskedAt === b.firstAskedAt && a.lastAskedAt === b.lastAskedAt;
}

function join(a: CoverageRange, b: CoverageRange): CoverageRange {
  return {
    since: a.since,
    until: b.until,
    state: a.state,
    asks: Math.min(a.asks, b.asks),
    firstAskedAt: pickTime(a.firstAskedAt, b.firstAskedAt, Math.min),
    lastAskedAt: pickTime(a.lastAskedAt, b.lastAskedAt, Math.max),
    reason: a.reason,
  };
}

function pickTime(a: number | null, b: number | null, pick: (a: number, b: number) => number): number | null {
  return a === null || b === null ? (a ?? b) : pick(a, b);
}
