import { FUTURES_SLOT_MS, toFuturesSlot } from './futures-snapshot.ts';
import { createRange, intersectRanges, mergeRanges, type TimeRange } from './time-range.ts';

/**
 * The longest time between two settlements of a perpetual: 8 hours for most, 4, 2 or 1 for some, and an exchange may
 * change it at any time.
 *
 * @see https://www.binance.com/en/support/faq/introduction-to-binance-futures-funding-rates-360033525031
 */
export const LONGEST_FUNDING_INTERVAL_MS = 8 * FUTURES_SLOT_MS;

/**
 * Where settlements should have been and are not: the parts of `answered` to doubt, oldest first, in full hours.
 *
 * Two settlements farther apart than 8 hours, or than those on both sides of them, have some missing between them; at
 * the edges, where only one side is known, that side decides, and the expected settlements up to the edge count. What
 * is missing in a row is one range, from the first expected settlement to the hour after the last one. A changed
 * interval (8 h → 4 h, 4 h → 8 h) is no hole inside a list; next to its edge it is doubted, at the cost of a request.
 *
 * @param settlements Times or slots in epoch milliseconds, in any order; also those known on either side of `answered`,
 * at least two where there are: they tell the interval. One alone stands for 8 hours; none at all makes the whole of
 * `answered` doubtful.
 * @param answered What the exchange's answer speaks of; only holes inside it are given.
 */
export function findFundingHoles(settlements: readonly number[], answered: TimeRange): TimeRange[] {
  const slots = [...new Set(settlements.map(toFuturesSlot))].toSorted((a, b) => a - b);
  const [first, last] = [slots[0], slots.at(-1)];
  const hours = createRange(ceilToHour(answered.since), ceilToHour(answered.until));
  if (hours === null) return [];
  if (first === undefined || last === undefined) return [hours];
  const gaps = slots.slice(1).map((slot, index) => slot - (slots[index] ?? slot));
  const holes = [
    findRunBefore(first, findStep(gaps.slice(0, 2)), hours.since),
    ...gaps.map((gap, index) => findRunBetween(slots[index] ?? 0, gap, gaps[index - 1], gaps[index + 1])),
    findRunAfter(last, findStep(gaps.slice(-2)), hours.until),
  ];
  return mergeRanges(
    holes
      .filter((run) => run !== null)
      .map((run) => intersectRanges(run, hours))
      .filter((range) => range !== null),
  );
}

function findRunBetween(slot: number, gap: number, before: number | undefined, after: number | undefined) {
  const isLonger = (before !== undefined || after !== undefined) && gap > (before ?? 0) && gap > (after ?? 0);
  if (gap <= LONGEST_FUNDING_INTERVAL_MS && !isLonger) return null;
  const step = findStep([before ?? Infinity, after ?? Infinity]);
  // Where the gap is no multiple of the interval, the expected settlements depend on the side that one counts from.
  const [one, other] = [slot + step, slot + gap - step];
  return createRange(Math.min(one, other), Math.max(one, other) + FUTURES_SLOT_MS);
}

function findRunBefore(first: number, step: number, since: number): TimeRange | null {
  const count = Math.floor((first - since) / step);
  return createRange(first - count * step, count < 1 ? first - count * step : first - step + FUTURES_SLOT_MS);
}

function findRunAfter(last: number, step: number, until: number): TimeRange | null {
  const count = Math.ceil((until - last) / step) - 1;
  return count < 1 ? null : createRange(last + step, last + count * step + FUTURES_SLOT_MS);
}

/** The interval that these gaps speak of: the shortest, since a longer one may have lost a settlement. */
function findStep(gaps: readonly number[]): number {
  return Math.min(...gaps, LONGEST_FUNDING_INTERVAL_MS);
}

function ceilToHour(timeMs: number): number {
  return Math.ceil(timeMs / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
}
