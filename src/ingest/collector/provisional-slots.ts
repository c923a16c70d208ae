import { mergeRanges, type TimeRange } from '../../market/time-range.ts';
import { intersectLists, subtractLists } from '../../market/range-lists.ts';

export interface ProvisionalSlotsDeps {
  readonly stepMs: number;
  /** How long after its end a slot is final; null: none is read again. */
  readonly settleMs: number | null;
}

const RETRY_FIRST_MS = 60_000;
const MAX_FAILURES = 5;

/**
 * The stored slots that are to be read once more, because they were read before they were final: an exchange may
 * correct a candle for minutes after its close. Many short ones are read together, one request for ten minutes or so.
 *
 * All times are epoch milliseconds on the grid of `stepMs`; `nowMs` is the exchange's clock.
 */
export class ProvisionalSlots {
  readonly #stepMs: number;
  readonly #settleMs: number;
  readonly #batchMs: number;
  #ranges: TimeRange[] = [];
  #failures = 0;
  #notBefore = 0;

  constructor({ stepMs, settleMs }: ProvisionalSlotsDeps) {
    this.#stepMs = stepMs;
    this.#settleMs = settleMs ?? Infinity;
    this.#batchMs = Math.max(1, Math.ceil((settleMs ?? stepMs) / stepMs)) * stepMs;
  }

  /** Notes stored slots of which nobody knows when they were read. */
  add(ranges: readonly TimeRange[]): void {
    if (this.#settleMs < Infinity) this.#ranges = mergeRanges([...this.#ranges, ...ranges]);
  }

  /** Notes slots that were read at a moment and are stored: final where they ended long enough before it. */
  note(ranges: readonly TimeRange[], nowMs: number): void {
    if (this.#settleMs === Infinity || ranges.length === 0) return;
    const finalUntil = nowMs - this.#settleMs;
    const before = this.#ranges.length === 0 ? 0 : (this.#ranges[0]?.since ?? 0);
    const final = ranges.map(({ since, until }) => ({ since, until: this.#floor(since, Math.min(until, finalUntil)) }));
    this.#ranges = subtractLists(
      this.#ranges,
      final.filter(({ since, until }) => since < until),
    );
    const open = ranges.map(({ since, until }) => ({ since: this.#floor(since, Math.max(since, finalUntil)), until }));
    this.add(open.filter(({ since, until }) => since < until));
    if (this.#ranges[0]?.since !== before) [this.#failures, this.#notBefore] = [0, 0];
  }

  /** When a request is worth while; Infinity where nothing is left to read. */
  dueAt(): number {
    const first = this.#ranges[0];
    return first ? Math.max(this.#notBefore, first.since + this.#batchMs + this.#settleMs) : Infinity;
  }

  /** What to read now, oldest first, at most `maxSlots`; null where nothing is due. */
  findDue(nowMs: number, maxSlots: number): TimeRange | null {
    const first = this.#ranges[0];
    if (!first || this.dueAt() > nowMs) return null;
    const end = Math.min(
      first.since + maxSlots * this.#stepMs,
      this.#floor(first.since, nowMs - this.#settleMs),
      this.#ranges.findLast(({ since }) => since < nowMs - this.#settleMs)?.until ?? first.until,
    );
    return first.since < end ? { since: first.since, until: end } : null;
  }

  /**
   * Notes that `asked` was read and answered: what is stored and was not in the answer is asked for again, a few times.
   *
   * @returns what is given up: stored slots that the exchange no longer tells of.
   */
  noteAnswered(asked: TimeRange, nowMs: number): TimeRange[] {
    const left = intersectLists(this.#ranges, [asked]);
    if (left.length === 0) return [];
    if (++this.#failures < MAX_FAILURES) {
      this.#notBefore = nowMs + RETRY_FIRST_MS * 2 ** (this.#failures - 1);
      return [];
    }
    this.#ranges = subtractLists(this.#ranges, [asked]);
    [this.#failures, this.#notBefore] = [0, 0];
    return left;
  }

  /** The last moment of the grid from `origin` on that is not after `at`. */
  #floor(origin: number, at: number): number {
    return origin + Math.floor((at - origin) / this.#stepMs) * this.#stepMs;
  }
}
