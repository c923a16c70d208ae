import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import { ExchangeDataError, ExchangeRejectedError } from '../../../src/errors.ts';
import { createExchange } from '../../../src/exchanges/create-exchange.ts';
import type { CandlePage, Exchange, RequestKind } from '../../../src/exchanges/exchange.ts';
import type { Candle } from '../../../src/market/candle.ts';
import type { TimeRange } from '../../../src/market/time-range.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import { sleep } from '../../../src/retry.ts';
import type { RunningVenue, WireVenue } from '../wire-venue.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** Twenty minutes into an hour. */
export const NOW = Date.UTC(2026, 8, 1, 10, 20, 30);
/** The hour in progress. */
export const BEGUN = NOW - (NOW % HOUR);
/** Of hours that ended long ago. */
export const SINCE = Date.UTC(2026, 7, 20);
export const RANGE: TimeRange = { since: SINCE, until: SINCE + 50 * HOUR };
/** For what comes at once, however busy the machine; and for what never comes. */
export const TIMEOUT_MS = { patient: 60_000, short: 2_000 };
/** Most of the time the client waits between its requests, so that tests may run beside each other. */
export const AT_ONCE = { concurrency: 8 };
export const { signal } = new AbortController();
const logger = pino({ level: 'silent' });

/** Tests of the suite that one adapter does not pass, and why. */
export interface Skip {
  readonly reason: string;
  readonly tests: readonly string[];
}

export interface Stage extends AsyncDisposable {
  readonly exchange: Exchange;
  readonly venue: RunningVenue;
  /** Our clock and the exchange's. */
  readonly time: { now: number };
}

/** What the tests of one adapter share. */
export interface Conformance {
  readonly wire: WireVenue;
  readonly test: (name: string, body: () => Promise<void>) => void;
  /** The adapter over the real client and a running exchange; `isWarm`: it knows the markets and the time. */
  readonly open: (options?: { isWarm?: boolean; timeoutMs?: number }) => Promise<Stage>;
  readonly fetchHours: (exchange: Exchange, range?: TimeRange, by?: AbortSignal) => Promise<CandlePage>;
  readonly kinds: readonly RequestKind[];
}

export function createConformance(wire: WireVenue, skips: readonly Skip[]): Conformance {
  const { id, symbol } = wire;
  return {
    wire,
    test: (name, body) => {
      const skip = skips.find(({ tests }) => tests.includes(name))?.reason ?? false;
      it(name, { skip }, body);
    },
    open: async ({ isWarm = true, timeoutMs = TIMEOUT_MS.patient } = {}) => {
      const time = { now: NOW };
      await using stack = new AsyncDisposableStack();
      const venue = stack.use(await wire.start(() => time.now));
      const clock = { now: () => time.now, sleep };
      const options = { id, origin: venue.origin, logger, requestTimeoutMs: timeoutMs, clock };
      const exchange = await createExchange(options);
      stack.defer(() => exchange.close());
      if (isWarm) await exchange.fetchInstruments(signal);
      const open = stack.move();
      return { exchange, venue, time, [Symbol.asyncDispose]: () => open.disposeAsync() };
    },
    fetchHours: async (exchange, range = RANGE, by = signal) =>
      await exchange.fetchCandles({ symbol, timeframe: parseTimeframe('1h'), range }, by),
    kinds: ['candles', 'listing', ...wire.feeds],
  };
}

/** As the truth is told: time, open, high, low, close, volume. */
export function listValues({ timestamp, open, high, low, close, volume }: Candle) {
  return [timestamp, open, high, low, close, volume];
}

export const isRejected = (reason: ExchangeRejectedError['reason']) => (error: unknown) => {
  assert.ok(error instanceof ExchangeRejectedError, String(error));
  assert.equal(error.reason, reason, error.message);
  return true;
};

export const isDataError = (exchange: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ExchangeDataError, String(error));
  assert.equal(error.exchange, exchange);
  assert.match(error.message, pattern);
  return true;
};
