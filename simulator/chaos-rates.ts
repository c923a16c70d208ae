import { MINUTE_MS } from '../src/market/moments.ts';

/**
 * How often each fault happens. Three sorts of numbers:
 *
 * - spans (`throttled`, `throttledBare`, `banned`, `outage`, `vanished`): the chance that a span of that kind
 *   lies in each window of time (see `FAULT_SPANS`), whatever is asked for meanwhile
 * - per answer: the chance that this answer is broken so
 * - per candle (`late`, `revised`) and per message or connection (`stream…`): the chance that it is
 *
 * | kind | what happens |
 * | --- | --- |
 * | throttled, throttledBare | 429 to everything, with Retry-After and without |
 * | banned | 418 to everything; the body says until when, the header in half of the cases |
 * | outage | 503 to everything |
 * | vanished | a symbol is missing from exchangeInfo, refused with -1121, silent on its streams |
 * | tooMany | one 429 without Retry-After |
 * | serverError | one answer of 500 to 504, as JSON or HTML |
 * | html | an HTML page with status 200 |
 * | cutJson, cutSocket | half of the JSON as a whole answer; a socket that breaks in the middle |
 * | stalledHead, stalledBody | no answer; half of an answer and then silence |
 * | slow | the body takes seconds |
 * | wrongTime | `/time` is wrong by 1 to 20 minutes |
 * | wrongDate | the Date header is, too |
 * | reordered, duplicated | rows in another order; a row twice |
 * | missing | up to three rows in the middle are left out |
 * | misaligned, impossible, disputed | a row with a time off the grid; with values that cannot be; twice with different values |
 * | late | a row is left out of every answer until five minutes after its end |
 * | revised | a candle has other values until five minutes after its end |
 * | streamRefused, streamDropped, streamSilent | a connection is not opened; breaks; says nothing any more |
 * | streamSkipped, streamRepeated, streamDelayed | a closed candle does not come; comes twice; comes after the next one |
 * | streamRevised | a closed candle comes with other values first |
 */
export const CHAOS_RATES = {
  throttled: 0.2,
  throttledBare: 0.1,
  banned: 0.2,
  outage: 0.15,
  vanished: 0.05,
  tooMany: 0.002,
  serverError: 0.01,
  html: 0.005,
  cutJson: 0.005,
  cutSocket: 0.005,
  stalledHead: 0.001,
  stalledBody: 0.001,
  slow: 0.005,
  wrongTime: 0.1,
  wrongDate: 0.01,
  reordered: 0.02,
  duplicated: 0.02,
  missing: 0.03,
  misaligned: 0.01,
  impossible: 0.01,
  disputed: 0.01,
  late: 0.01,
  revised: 0.02,
  streamRefused: 0.1,
  streamDropped: 0.4,
  streamSilent: 0.2,
  streamSkipped: 0.02,
  streamRepeated: 0.02,
  streamDelayed: 0.02,
  streamRevised: 0.02,
} as const;

export type ChaosKind = keyof typeof CHAOS_RATES;
export type ChaosRates = Readonly<Record<ChaosKind, number>>;

/** A kind of span: in each window of `windowMs` there is at most one, of a length between the two bounds. */
export interface FaultSpanSpec {
  readonly windowMs: number;
  readonly shortestMs: number;
  readonly longestMs: number;
}

export const FAULT_SPANS = {
  throttled: { windowMs: 10 * MINUTE_MS, shortestMs: 10_000, longestMs: 60_000 },
  throttledBare: { windowMs: 10 * MINUTE_MS, shortestMs: 5_000, longestMs: 20_000 },
  banned: { windowMs: 30 * MINUTE_MS, shortestMs: 2 * MINUTE_MS, longestMs: 4 * MINUTE_MS },
  outage: { windowMs: 20 * MINUTE_MS, shortestMs: 15_000, longestMs: 90_000 },
  vanished: { windowMs: 30 * MINUTE_MS, shortestMs: MINUTE_MS, longestMs: 5 * MINUTE_MS },
} as const satisfies Partial<Record<ChaosKind, FaultSpanSpec>>;

/** What `late` and `revised` rows are until this long after their end; then the truth, for ever. */
export const SETTLED_AFTER_MS = 5 * MINUTE_MS;
