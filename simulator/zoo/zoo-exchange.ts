import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../src/clock.ts';
import { servePage } from './serve-page.ts';
import { switchOn, type DialectName, type ZooDialect } from './zoo-dialect.ts';
import { ZooMarket, type ZooMarketOptions, type ZooSpan } from './zoo-market.ts';
import type { ZooRequest } from './zoo-requests.ts';
import { findTruth, type ZooTruth } from './zoo-truth.ts';
import type { WireBody, WireCandles, WireRequest, ZooVenue, ZooWire } from './zoo-wire.ts';

/** Something that is wrong with the exchange for a while, by its own clock; `rate`: for that share of the requests. */
export interface ZooIncident extends ZooSpan {
  /** Status 503; the wire's error with status 200 where it has one; answers without a row; a connection that is cut. */
  readonly kind: 'unavailable' | 'error_body' | 'empty_answer' | 'cut';
  /** Only requests for candles of these. Default all requests; an empty answer only those for candles. */
  readonly timeframes?: readonly string[];
  /** Every so manieth request. Default each. */
  readonly every?: number;
}

export interface ZooExchangeOptions {
  readonly wire: ZooWire;
  /** Which trades there were; the same seed gives the same. */
  readonly seed: string;
  readonly markets: readonly ZooMarketOptions[];
  /** Its time; `sleep` is not used. */
  readonly clock: Pick<Clock, 'now'>;
  /** Switched on over the wire's own manner, in this order. */
  readonly dialects?: readonly DialectName[];
  /** Switched on after those. */
  readonly manner?: Partial<ZooDialect>;
  readonly incidents?: readonly ZooIncident[];
}

type RawJson = (text: string) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON: RawJson };

/** An exchange of one wire, one manner and a few markets, on a port of the loopback, that counts what it is asked. */
export class ZooExchange implements AsyncDisposable {
  readonly wire: ZooWire;
  readonly dialect: ZooDialect;
  readonly markets: readonly ZooMarket[];
  /** All requests for candles so far, oldest first. */
  readonly requests: ZooRequest[] = [];
  /** Paths of all other requests so far. */
  readonly otherPaths: string[] = [];
  readonly #options: ZooExchangeOptions;
  readonly #server: Server;
  #count = 0;

  constructor(options: ZooExchangeOptions) {
    const { wire, seed, markets, dialects = [], manner = {} } = options;
    this.#options = options;
    this.wire = wire;
    this.dialect = { ...switchOn(wire.dialect, dialects), ...manner };
    this.markets = markets.map((market) => new ZooMarket(seed, market));
    this.#server = createServer((request, response) => {
      this.#respond(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** Answers with the origin, such as `http://127.0.0.1:40001`. */
  async listen(port = 0): Promise<string> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  now(): number {
    return this.#options.clock.now();
  }

  /** What is true of a series, see `ZooTruth`. */
  truth(symbol: string, timeframe: string, span: ZooSpan, nowMs = this.now()): ZooTruth {
    const market = this.markets.find((each) => each.symbol === symbol);
    if (!market) throw new RangeError(`the zoo has no market ${symbol}`);
    return findTruth(market, timeframe, this.dialect, span, nowMs);
  }

  async #respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(incoming);
    this.#count++;
    const venue = this.#venue();
    const answer = this.wire.answer(request, venue);
    const candles = answer?.kind === 'candles' ? answer : null;
    const incident = this.#findIncident(candles, venue.nowMs);
    if (candles === null) this.otherPaths.push(request.path);
    if (incident?.kind === 'cut') {
      this.#note(request, candles, venue.nowMs, null);
      response.destroy();
      return;
    }
    const body = this.#answer(request, answer, incident, venue);
    const date = new Date(venue.nowMs).toUTCString();
    const { type = 'application/json', status = 200 } = body;
    response.writeHead(status, { 'content-type': type, date });
    response.end(body.type === undefined ? JSON.stringify(body.body) : String(body.body));
  }

  #answer(
    request: WireRequest,
    answer: WireCandles | WireBody | undefined,
    incident: ZooIncident | undefined,
    venue: ZooVenue,
  ): WireBody {
    const candles = answer?.kind === 'candles' ? answer : null;
    const failed = (body: WireBody): WireBody => {
      this.#note(request, candles, venue.nowMs, null);
      return body;
    };
    if (incident?.kind === 'unavailable')
      return failed({ kind: 'body', status: 503, body: { message: 'maintenance' } });
    if (incident?.kind === 'error_body') return failed({ kind: 'body', body: this.wire.errorBody });
    if (answer === undefined) return { kind: 'body', status: 404, body: { message: 'no such path' } };
    if (answer.kind === 'body') return answer;
    const { market, timeframe, refusal } = answer;
    const isRefused = timeframe === undefined || this.dialect.refusedTimeframes.includes(timeframe);
    if (!market || isRefused || refusal) return failed(refusal ?? this.wire.refusal);
    const rows =
      incident?.kind === 'empty_answer' ? [] : servePage({ ...answer, market, timeframe }, this.dialect, venue.nowMs);
    this.#note(request, answer, venue.nowMs, rows.length);
    return { kind: 'body', body: answer.write(rows, venue) };
  }

  #note({ path }: WireRequest, candles: WireCandles | null, at: number, rows: number | null): void {
    if (!candles) return;
    const { market, timeframe = 'unknown', since, until, limit } = candles;
    this.requests.push({ path, at, symbol: market?.symbol ?? 'unknown', timeframe, since, until, limit, rows });
  }

  #findIncident(candles: WireCandles | null, nowMs: number): ZooIncident | undefined {
    const { incidents = [] } = this.#options;
    return incidents.find(({ since, until, kind, timeframes, every = 1 }) => {
      if (nowMs < since || nowMs >= until || this.#count % every !== 0) return false;
      if (timeframes) return timeframes.includes(candles?.timeframe ?? '');
      return candles !== null || kind !== 'empty_answer';
    });
  }

  #venue(): ZooVenue {
    const { markets, wire } = this;
    const nowMs = this.now();
    const areStrings = (this.dialect.values ?? wire.values) === 'strings';
    return {
      nowMs,
      markets: markets.filter((market) => market.isListed(nowMs)),
      find: (id) => markets.find(({ symbol }) => wire.toId(symbol) === id),
      hasClosingTime: this.dialect.closingTime,
      value: (digits) => (areStrings ? digits : rawJSON(digits)),
    };
  }
}

async function readRequest(incoming: IncomingMessage): Promise<WireRequest> {
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://localhost');
  let text = '';
  for await (const chunk of incoming as AsyncIterable<Buffer>) text += chunk.toString();
  const body = text === '' ? null : (JSON.parse(text) as unknown);
  return { method: incoming.method ?? 'GET', path: decodeURIComponent(pathname), query: searchParams, body };
}
