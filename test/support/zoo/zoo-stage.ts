import { createApp } from '../../../src/app.ts';
import { boot } from '../../../src/boot.ts';
import type { Clock } from '../../../src/clock.ts';
import { parseConfig } from '../../../src/config.ts';
import { findExchangeFault } from '../../../src/exchanges/ccxt/ccxt-library.ts';
import { findCronFault } from '../../../src/jobs/scheduler.ts';
import { createLogger } from '../../../src/logger.ts';
import { createFastClock } from '../../../simulator/fast-clock.ts';
import { WIRES, type WireId } from '../../../simulator/zoo/wires/all-wires.ts';
import type { DialectName, ZooDialect } from '../../../simulator/zoo/zoo-dialect.ts';
import { ZooExchange, type ZooIncident } from '../../../simulator/zoo/zoo-exchange.ts';
import type { ZooMarketOptions } from '../../../simulator/zoo/zoo-market.ts';
import { createMigratedDatabase } from '../database.ts';
import type { TestDatabase } from '../postgres.ts';
import { compareWithTruth, type ZooDifference } from './compare-with-truth.ts';

/** In the past of any machine: ccxt asks for nothing that the machine's own clock calls the future. */
export const ZOO_START_MS = Date.UTC(2025, 2, 5, 7, 30, 12);
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

export interface ZooStageOptions {
  readonly wire: WireId;
  readonly seed?: string;
  /** The market that is collected; listed long before the window unless it says otherwise. */
  readonly market?: Partial<Omit<ZooMarketOptions, 'symbol'>>;
  readonly dialects?: readonly DialectName[];
  readonly manner?: Partial<ZooDialect>;
  readonly incidents?: readonly ZooIncident[];
  /** TIMEFRAMES. Default `1m`. */
  readonly timeframes?: string;
  /** How far back the window reaches from the start. Default a day. */
  readonly windowMs?: number;
  /** CONFIRM_EMPTY_AFTER_S. Default 2. */
  readonly confirmEmptyAfterS?: number;
  /** What the clock shows at the start. Default `ZOO_START_MS`. */
  readonly startMs?: number;
  /** How many times as fast as the machine's the clock runs. Default 1. */
  readonly speed?: number;
}

type App = ReturnType<typeof createApp>;
interface Running {
  readonly app: App;
  stop(): Promise<void>;
}

/**
 * One exchange of the zoo, a database of its own, and as many services as a test starts: each is what `src/main.ts` runs,
 * with all its parts, but for its clock.
 */
export class ZooStage implements AsyncDisposable {
  readonly zoo: ZooExchange;
  readonly symbol: string;
  readonly sinceMs: number;
  readonly clock: Clock;
  /** Errors that no exchange and no database can cause. */
  readonly crashes: unknown[] = [];
  readonly database: TestDatabase;
  readonly #options: ZooStageOptions;
  readonly #origin: string;
  #running: Running[] = [];

  private constructor(parts: {
    readonly options: ZooStageOptions;
    readonly zoo: ZooExchange;
    readonly symbol: string;
    readonly sinceMs: number;
    readonly clock: Clock;
    readonly database: TestDatabase;
    readonly origin: string;
  }) {
    this.zoo = parts.zoo;
    this.symbol = parts.symbol;
    this.sinceMs = parts.sinceMs;
    this.clock = parts.clock;
    this.database = parts.database;
    this.#options = parts.options;
    this.#origin = parts.origin;
  }

  static async open(options: ZooStageOptions): Promise<ZooStage> {
    const { seed = 'zoo', market = {}, startMs = ZOO_START_MS, speed = 1, windowMs = DAY_MS } = options;
    const { dialects = [], manner = {}, incidents = [] } = options;
    const wire = WIRES[options.wire];
    const symbol = `ADA/${wire.quote}`;
    const database = await createMigratedDatabase();
    const clock = createFastClock({ speed, startMs });
    const listed = { symbol, listedMs: startMs - windowMs - 10 * DAY_MS, ...market };
    const zoo = new ZooExchange({ wire, seed, clock, markets: [listed], dialects, manner, incidents });
    const origin = await zoo.listen();
    return new ZooStage({ options, zoo, symbol, sinceMs: startMs - windowMs, clock, database, origin });
  }

  /** What a service is told in its environment; without a clock of its own it may run as a process too. */
  get environment(): Record<string, string> {
    const { wire, timeframes = '1m', confirmEmptyAfterS = 2 } = this.#options;
    return {
      DATABASE_URL: this.database.url,
      HOST: '127.0.0.1',
      PORT: '0',
      EXCHANGE_URLS: `${wire}=${this.#origin}`,
      MARKETS: `${wire}:${this.symbol}`,
      TIMEFRAMES: timeframes,
      BACKFILL_FROM: new Date(this.sinceMs).toISOString(),
      CONFIRM_EMPTY_AFTER_S: String(confirmEmptyAfterS),
      FUTURES: 'false',
      RATE_LIMIT_PER_MINUTE: '0',
    };
  }

  /** The services that run, oldest first. */
  get apps(): readonly App[] {
    return this.#running.map(({ app }) => app);
  }

  /** Starts one more service; resolves when it runs. */
  async start(changes: Readonly<Record<string, string>> = {}): Promise<App> {
    const checks = { findCronFault, findExchangeFault };
    const config = parseConfig({ ...this.environment, ...changes }, checks, false);
    const app = createApp(config, createLogger({ level: 'silent', pretty: false }), { clock: this.clock });
    const stopping = new AbortController();
    const stack = new AsyncDisposableStack();
    const running: Running = {
      app,
      stop: async () => {
        stopping.abort(new Error('told to stop'));
        await stack.disposeAsync();
      },
    };
    this.#running.push(running);
    await boot(app, stack, { signal: stopping.signal, fail: (error) => this.crashes.push(error) });
    return app;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((running) => running.stop()));
  }

  /** Stops all services and starts as many. */
  async restart(): Promise<void> {
    const count = this.#running.length;
    await this.stopAll();
    for (let started = 0; started < count; started++) await this.start();
  }

  /** Resolves when the clock shows that much more. */
  async pass(ms: number): Promise<void> {
    await this.clock.sleep(ms, AbortSignal.timeout(3_600_000));
  }

  /**
   * What rows, ledger and requests of a timeframe say against the truth, of what had ended five minutes ago. `starts`:
   * how often a service was started.
   */
  async compare(timeframe = '1m', starts = 1): Promise<ZooDifference> {
    const { wire } = this.#options;
    const { zoo, symbol, sinceMs, database } = this;
    return await compareWithTruth({ zoo, exchange: wire, symbol, timeframe, sinceMs, starts, url: database.url });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAll();
    await this.zoo[Symbol.asyncDispose]();
    await this.database.drop();
  }
}
