import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SYSTEM_CLOCK, type Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import { applyFault, writeAnswer, type Answer, type Intercept } from './fault.ts';
import type { KlineSource } from './klines.ts';
import type { RecordedSeries } from './recorded-candles.ts';
import { RequestBudget } from './request-budget.ts';
import { RequestParameters } from './request-parameters.ts';
import { createRoutes, type Route } from './routes.ts';
import { NO_STREAM_FAULTS, type StreamFaults } from './stream-faults.ts';
import { BINANCE_STREAM, StreamServer, type StreamOptions } from './stream-server.ts';
import { DEFAULT_MARKETS, type SimulatedMarket } from './symbol-catalogue.ts';
import { createVenue, type Venue } from './venue.ts';
import { NOT_FOUND, WireError } from './wire-error.ts';

export interface SimulatedExchangeDeps {
  /** Prices are a function of it: the same seed, the same history. */
  readonly seed: string;
  /** The exchange's clock, and how it waits between pushes; the machine's unless given. */
  readonly clock?: Clock;
  /** The exchange's clock in epoch milliseconds, where only the reading differs from `clock`. */
  readonly now?: () => number;
  /** Recorded candles to serve besides. */
  readonly recorded?: readonly RecordedSeries[];
  /** The invented markets; `DEFAULT_MARKETS` unless given, none where empty. */
  readonly symbols?: readonly SimulatedMarket[];
  /** Decides before each answer whether to break it; for tests. */
  readonly intercept?: Intercept;
  /** What of the WebSocket side differs from `BINANCE_STREAM`. */
  readonly stream?: Partial<StreamOptions>;
  /** How the WebSocket side misbehaves; for tests. */
  readonly streamFaults?: StreamFaults;
  /** Told of answers that failed for a reason of our own. */
  readonly logger?: Logger;
}

/** A request that was answered, or not, as the fault wanted it. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The status of the answer, or the one that a stalled or cut answer was to have. */
  readonly status: number;
  readonly atMs: number;
}

const REQUESTS_KEPT = 1_000;
const KEEP_ALIVE_MS = 65_000;

/**
 * A server that speaks Binance's wire protocol (spot and USDT-M futures, public market data) and trades nothing: its
 * prices are a pure function of (seed, symbol, time), or recorded candles. For demonstrations and tests.
 */
export class SimulatedExchange {
  readonly venue: Venue;
  /** The WebSocket side, on the same port under `/stream` and `/ws`. */
  readonly streams: StreamServer;
  readonly #now: () => number;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #budget: RequestBudget;
  readonly #intercept: Intercept;
  readonly #logger: Logger | null;
  readonly #requests: LoggedRequest[] = [];
  #requestCount = 0;
  #server: Server | null = null;

  /** @throws RangeError where a market or a recording cannot be served. */
  constructor(deps: SimulatedExchangeDeps) {
    const clock = deps.clock ?? SYSTEM_CLOCK;
    this.#now = deps.now ?? (() => clock.now());
    this.#intercept = deps.intercept ?? (() => undefined);
    this.#logger = deps.logger ?? null;
    this.venue = createVenue({
      seed: deps.seed,
      markets: deps.symbols ?? DEFAULT_MARKETS,
      recorded: deps.recorded ?? [],
    });
    this.#routes = createRoutes(this.venue);
    this.#budget = new RequestBudget({ now: this.#now });
    this.streams = new StreamServer({
      clock: { now: this.#now, sleep: (ms, signal) => clock.sleep(ms, signal) },
      findKlines: (id) => this.#findKlines(id),
      options: { ...BINANCE_STREAM, ...deps.stream },
      faults: deps.streamFaults ?? NO_STREAM_FAULTS,
      onError: (error) => this.#logger?.error({ err: error }, 'simulated exchange failed to push'),
    });
  }

  /** How many requests have come in. */
  get requestCount(): number {
    return this.#requestCount;
  }

  /** The last requests, oldest first, a thousand at most. */
  get requests(): readonly LoggedRequest[] {
    return this.#requests;
  }

  /**
   * Opens the port (0: a free one) and resolves with the origin, such as `http://127.0.0.1:9001`.
   *
   * @throws the system's error where the port cannot be opened.
   */
  async listen({ host = '127.0.0.1', port = 0 }: { host?: string; port?: number } = {}): Promise<{ origin: string }> {
    if (this.#server) throw new Error('the simulated exchange is listening already: close it first');
    const server = createServer((request, response) => this.#handle(request, response));
    server.on('upgrade', (request, duplex, head) => this.streams.accept(request, duplex, head));
    // Clients reuse connections; closing one as its next request is on the way would look like an outage.
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server = server;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
      });
    } catch (error) {
      this.#server = null;
      throw error;
    }
    const address = server.address() as AddressInfo;
    const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return { origin: `http://${shown}:${address.port}` };
  }

  /** Closes the port and every connection, stalled ones too. May be called again, and before `listen`. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    this.streams.close();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  #findKlines(id: string): KlineSource | null {
    const listing = this.venue.spot.get(id);
    return listing !== undefined && listing.listedMs <= this.#now() ? listing.klines : null;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const method = request.method ?? 'GET';
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    const path = url?.pathname ?? '';
    const query = url?.searchParams ?? new URLSearchParams();
    let answer: Answer;
    try {
      const fault = this.#intercept({ method, path, query });
      answer = applyFault(this.#answer(method, path, new RequestParameters(query)), fault);
      writeAnswer(response, answer, fault);
    } catch (error) {
      this.#logger?.error({ err: error, path }, 'simulated exchange failed to answer');
      answer = {
        status: 500,
        headers: {},
        body: { code: -1000, msg: 'An unknown error occurred while processing the request.' },
      };
      if (response.headersSent) response.destroy();
      else writeAnswer(response, answer, undefined);
    }
    this.#requestCount++;
    this.#requests.push({ method, path, query: query.toString(), status: answer.status, atMs: this.#now() });
    if (this.#requests.length > REQUESTS_KEPT) this.#requests.shift();
  }

  #answer(method: string, path: string, parameters: RequestParameters): Answer {
    const route = this.#routes.get(path);
    if (!route) return { ...NOT_FOUND, headers: {} };
    if (method !== 'GET') {
      return {
        status: 405,
        headers: { allow: 'GET' },
        body: { code: -1000, msg: `Request method '${method}' is not supported.` },
      };
    }
    let headers: Record<string, string> = {};
    try {
      const { retryAfterMs } = this.#budget.spend(route.budget, route.weight(parameters));
      const counted = route.budget === 'spot' ? 'spot' : 'futures';
      headers = { 'x-mbx-used-weight-1m': String(this.#budget.used(counted)) };
      if (retryAfterMs !== null) {
        throw new WireError(
          429,
          { code: -1003, msg: 'Too many requests; please slow down or use the websocket for live updates.' },
          { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) },
        );
      }
      return { status: 200, headers, body: route.answer(parameters, this.#now()) };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { status: error.status, headers: { ...headers, ...error.headers }, body: error.body };
    }
  }
}
