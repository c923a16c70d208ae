import { HOUR_MS } from '../../src/market/moments.ts';
import { MONDAY_MS, THURSDAY_MS, type ZooAnchors } from './zoo-grid.ts';

/** How many of its newest candles an exchange keeps of a timeframe: so many rows, or all rows in so many slots. */
export interface ZooDepth {
  readonly count: number;
  readonly of: 'slots' | 'rows';
}

/** How an exchange answers requests for candles. Everything is independent of the wire that it speaks. */
export interface ZooDialect {
  /** The most rows of one answer, whatever was asked for. */
  readonly pageLimit: number;
  /** Which rows of too many it gives. */
  readonly cutKeeps: 'oldest' | 'newest';
  /** `utc-day`: of what was asked for, nothing after the UTC day of `since`. */
  readonly pageBy: 'rows' | 'utc-day';
  /** By timeframe, `*` for all others; without one: all of history. */
  readonly depths: Readonly<Record<string, ZooDepth>>;
  /** `rounded-up`: to the next multiple of the timeframe's length since the epoch. */
  readonly since: 'inclusive' | 'exclusive' | 'rounded-up' | 'ignored';
  readonly until: 'exclusive' | 'inclusive' | 'ignored';
  readonly order: 'oldest-first' | 'newest-first';
  /** A slot without a trade between the first and the last one: left out, all zeros, or the last price with volume 0. */
  readonly emptyCandles: 'omitted' | 'zeros' | 'repeated';
  readonly anchors: ZooAnchors;
  /** What it answers with instead of the timeframe that was asked for. */
  readonly wrongTimeframes: Readonly<Record<string, string>>;
  /** Timeframes that it refuses. */
  readonly refusedTimeframes: readonly string[];
  /** Rows of one timeframe that it tells `shiftMs` after their slot began. */
  readonly offGrid: {
    readonly timeframe: string;
    readonly since: number;
    readonly until: number;
    readonly shiftMs: number;
  } | null;
  /** Whether a row tells when its candle ends, on wires that may leave that out. */
  readonly closingTime: boolean;
  /** Whether values are JSON strings or JSON numbers; null: as the wire does. */
  readonly values: 'strings' | 'numbers' | null;
}

/** The manner that all others are told as a difference from: nothing is odd. */
export const PLAIN: ZooDialect = {
  pageLimit: 1000,
  cutKeeps: 'oldest',
  pageBy: 'rows',
  depths: {},
  since: 'inclusive',
  until: 'inclusive',
  order: 'oldest-first',
  emptyCandles: 'omitted',
  anchors: { dayMs: 0, weekMs: MONDAY_MS },
  wrongTimeframes: {},
  refusedTimeframes: [],
  offGrid: null,
  closingTime: true,
  values: null,
};

/** The dialects that are switched on by name; several may be on at once, the later ones win. */
export const DIALECTS = {
  page_limit: { pageLimit: 100 },
  page_limit_newest: { pageLimit: 100, cutKeeps: 'newest' },
  page_by_day: { pageBy: 'utc-day' },
  newest_rows_only: { depths: { '*': { count: 720, of: 'rows' } } },
  newest_slots_only: { depths: { '*': { count: 720, of: 'slots' } } },
  since_ignored: { since: 'ignored', cutKeeps: 'newest' },
  since_exclusive: { since: 'exclusive' },
  since_rounded_up: { since: 'rounded-up' },
  until_ignored: { until: 'ignored' },
  until_exclusive: { until: 'exclusive' },
  until_inclusive: { until: 'inclusive' },
  newest_first: { order: 'newest-first' },
  empty_as_zeros: { emptyCandles: 'zeros' },
  empty_repeated: { emptyCandles: 'repeated' },
  empty_omitted: { emptyCandles: 'omitted' },
  days_from_16: { anchors: { dayMs: 16 * HOUR_MS, weekMs: MONDAY_MS - 8 * HOUR_MS } },
  weeks_from_thursday: { anchors: { dayMs: 0, weekMs: THURSDAY_MS } },
  hours_for_minutes: { wrongTimeframes: { '1m': '1h' } },
  minutes_for_hours: { wrongTimeframes: { '1h': '1m' } },
  no_closing_time: { closingTime: false },
  values_as_strings: { values: 'strings' },
  values_as_numbers: { values: 'numbers' },
} as const satisfies Readonly<Record<string, Partial<ZooDialect>>>;

export type DialectName = keyof typeof DIALECTS;

/** The manner of `base` with these dialects switched on, in this order. */
export function switchOn(base: ZooDialect, names: readonly DialectName[]): ZooDialect {
  return names.reduce<ZooDialect>((dialect, name) => ({ ...dialect, ...DIALECTS[name] }), base);
}
