import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SYSTEM_CLOCK, type Clock } from '../src/clock.ts';
import type { Logger } from '../src/logger.ts';
import type { Intercept } from './fault.ts';
import type { KlineSource } from './klines.ts';
import { isListed } from './market-listing.ts';
import type { RecordedSeries } from './recorded-candles.ts';
import { RestServer, type LoggedRequest } from './rest-server.ts';
import { createRoutes } from './routes.ts';
import { NO_STREAM_FAULTS, type StreamFaults } from './stream-faults.ts';
import { BINANCE_STREAM, StreamServer, type StreamOptions } from './stream-server.ts';
import { DEFAULT_MARKETS, type SimulatedMarket } from './symbol-catalogue.ts';
import { ceilToMinute, createVenue, type Venue } from './venue.ts';

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
  readonly #rest: RestServer;
  #server: Server | null = null;

  /** @throws RangeError where a market or a recording cannot be served. */
  constructor(deps: SimulatedExchangeDeps) {
    const machine = deps.clock ?? SYSTEM_CLOCK;
    this.#now = deps.now ?? (() => machine.now());
    const clock: Clock = { now: this.#now, sleep: (ms, signal) => machine.sleep(ms, signal) };
    this.venue = createVenue({
      seed: deps.seed,
      markets: deps.symbols ?? DEFAULT_MARKETS,
      recorded: deps.recorded ?? [],
    });
    this.#rest = new RestServer({
      clock,
      routes: createRoutes(this.venue),
      intercept: deps.intercept ?? (() => undefined),
      logger: deps.logger ?? null,
    });
    this.streams = new StreamServer({
      clock,
      findKlines: (id) => this.#findKlines(id),
      options: { ...BINANCE_STREAM, ...deps.stream },
      faults: deps.streamFaults ?? NO_STREAM_FAULTS,
      onError: (error) => deps.logger?.error({ err: error }, 'simulated exchange failed to push'),
    });
  }

  /** How many requests have come in. */
  get requestCount(): number {
    return this.#rest.requestCount;
  }

  /** How often this address was banned with 418 for what it asked for. */
  get bans(): number {
    return this.#rest.bans;
  }

  /** The last requests, oldest first, a thousand at most. */
  get requests(): readonly LoggedRequest[] {
    return this.#rest.requests;
  }

  /**
   * Opens the port (0: a free one) and resolves with the origin, such as `http://127.0.0.1:9001`.
   *
   * @throws the system's error where the port cannot be opened.
   */
  async listen({ host = '127.0.0.1', port = 0 }: { host?: string; port?: number } = {}): Promise<{ origin: string }> {
    if (this.#server) throw new Error('the simulated exchange is listening already: close it first');
    const server = createServer((request, response) => this.#rest.handle(request, response));
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

  /**
   * Lists a market now (or at its `listedMs`, which may lie ahead or in the past); one that was removed comes back.
   *
   * @throws RangeError where it cannot be served or is listed already.
   */
  list(market: SimulatedMarket): void {
    this.venue.list(market);
  }

  /** Ends trading at the next full minute, whose epoch milliseconds it returns; then listed as BREAK. */
  delist(symbol: string): number {
    const atMs = ceilToMinute(this.#now() + 1);
    this.venue.halt(symbol, atMs);
    return atMs;
  }

  /** Makes a symbol unknown from now on: left out of exchangeInfo, refused with -1121, silent on its streams. */
  remove(symbol: string): void {
    this.venue.remove(symbol, this.#now());
  }

  #findKlines(id: string): KlineSource | null {
    const listing = this.venue.spot.get(id);
    return listing !== undefined && isListed(listing, this.#now()) ? listing.klines : null;
  }
}
