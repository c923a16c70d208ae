import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { pino } from 'pino';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import type { FuturesFeed } from '../../src/market/futures-snapshot.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { startAnsweringServer, type Answer, type Request } from './answering-server.ts';
import { answerAsBybit, answerAsOkx, type AnswerRows } from './bybit-okx-answers.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** The first recorded candle, and the moment at which Bybit's were recorded. */
export const T0 = 1706630400000;
export const RECORDED_AT = 1706803708087;
export const RECORDED_RANGE = { since: T0, until: T0 + 3 * HOUR };
export const { signal } = new AbortController();
export const logger = pino({ level: 'silent' });

/** Most of the time the client waits between its requests, so that tests may run beside each other. */
export const AT_ONCE = { concurrency: 8 };

export type Venue = 'bybit' | 'okx';
export const VENUES = ['bybit', 'okx'] as const;
const answerAs = { bybit: answerAsBybit, okx: answerAsOkx };

/** Rows in the venue's envelope. */
export const wrap = {
  bybit: (list: unknown, result: object = {}) => ({ retCode: 0, retMsg: 'OK', result: { ...result, list } }),
  okx: (data: unknown) => ({ code: '0', msg: '', data }),
};

export interface BybitOkxStage extends AsyncDisposable {
  readonly exchange: Exchange;
  /** The requests other than for markets and time, oldest first. */
  readonly asked: () => Request[];
}

/** The venue behind the real client; `answerRows` answers all requests other than for markets and time. */
export async function openVenue(venue: Venue, answerRows: AnswerRows, nowMs = RECORDED_AT): Promise<BybitOkxStage> {
  return await openServer(
    venue,
    answerAs[venue](() => nowMs, answerRows),
  );
}

/** The same, with a body of rows that is sent letter by letter. */
export async function openVenueWithText(venue: Venue, text: string): Promise<BybitOkxStage> {
  const answer = answerAs[venue](
    () => RECORDED_AT,
    () => undefined,
  );
  const headers = { date: new Date(RECORDED_AT).toUTCString() };
  return await openServer(venue, (request) => (isForRows(request) ? { text, headers } : answer(request)));
}

async function openServer(venue: Venue, answer: (request: Request) => Answer): Promise<BybitOkxStage> {
  const server = await startAnsweringServer(answer);
  const exchange = await createExchange({ id: venue, origin: server.origin, logger, requestTimeoutMs: 10_000 });
  return {
    exchange,
    asked: () => server.requests.filter(isForRows),
    async [Symbol.asyncDispose]() {
      await exchange.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function isForRows({ path }: Request): boolean {
  return !/(instruments|instruments-info|time)$/.test(path);
}

export async function fetchCandles(exchange: Exchange, range = RECORDED_RANGE, timeframe = '1h') {
  return await exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: parseTimeframe(timeframe), range }, signal);
}

export async function fetchFutures(exchange: Exchange, feed: FuturesFeed, range = RECORDED_RANGE) {
  return await exchange.fetchFutures({ symbol: 'BTC/USDT', feed, range }, signal);
}

/** For `assert.rejects`: an error of this class with such a text. */
export const fails =
  (type: abstract new (...args: never[]) => Error, pattern: RegExp) =>
  (error: unknown): true => {
    assert.ok(error instanceof type, String(error));
    assert.match(error.message, pattern);
    return true;
  };

/** The query of a request as an object. */
export const query = (request: Request | undefined) => Object.fromEntries(request?.query ?? []);

export interface Recording {
  readonly httpResponse: unknown;
  readonly parsedResponse: unknown;
}
const pathOf = (venue: Venue) => `../shared/data/ccxt/${venue}.json`;
const isRecorded = existsSync(pathOf('bybit')) && existsSync(pathOf('okx'));
/** For tests that need the recorded answers. */
export const skip = !isRecorded && '../shared/data/ccxt is absent';

/** The first recording of a method, with the whole body as it came. */
export function readRecording(venue: Venue, method: string): Recording {
  const { methods } = JSON.parse(readFileSync(pathOf(venue), 'utf8')) as { methods: Record<string, Recording[]> };
  const [recording] = methods[method] ?? [];
  assert.ok(recording, `${venue} has no recorded ${method}`);
  return recording;
}
