import type { Fault, InterceptedRequest } from '../../src/exchanges/simulated/fault.ts';
import type { RecordedRow, RecordedSeries } from '../../src/exchanges/simulated/recorded-candles.ts';
import { SimulatedExchange } from '../../src/exchanges/simulated/simulated-exchange.ts';
import { DEFAULT_MARKETS, toMarketId } from '../../src/exchanges/simulated/symbol-catalogue.ts';
import type { BinanceInterval } from '../../src/exchanges/simulated/binance-interval.ts';
import { execute } from './postgres.ts';

export interface StageOptions {
  /** Invented markets to list. */
  readonly symbols?: readonly string[];
  readonly recorded?: readonly RecordedSeries[];
  /** What its clock shows when the stage opens; it runs on from there. The machine's time unless given. */
  readonly nowMs?: number;
  readonly port?: number;
}

/** The simulated exchange on a port of the loopback, with a fault that a test may change at any time. */
export class ExchangeStage implements AsyncDisposable {
  readonly exchange: SimulatedExchange;
  /** Asked before each answer. */
  intercept: (request: InterceptedRequest) => Fault | undefined = () => undefined;
  readonly #offsetMs: number;
  #origin = '';

  private constructor({ symbols = [], recorded = [], nowMs }: StageOptions) {
    this.#offsetMs = nowMs === undefined ? 0 : nowMs - Date.now();
    this.exchange = new SimulatedExchange({
      seed: 'e2e',
      symbols: DEFAULT_MARKETS.filter(({ symbol }) => symbols.includes(symbol)),
      recorded,
      now: () => this.now(),
      intercept: (request) => this.intercept(request),
    });
  }

  static async open(options: StageOptions): Promise<ExchangeStage> {
    const stage = new ExchangeStage(options);
    await stage.listen(options.port);
    return stage;
  }

  async listen(port = 0): Promise<void> {
    this.#origin = (await this.exchange.listen({ port })).origin;
  }

  get origin(): string {
    return this.#origin;
  }

  /** The exchange's clock in epoch milliseconds. */
  now(): number {
    return Date.now() + this.#offsetMs;
  }

  /** What the service needs to collect `symbols` from here since `fromMs`, without futures data. */
  environment(options: { symbols: readonly string[]; timeframes: string; fromMs: number }): Record<string, string> {
    return {
      EXCHANGE_URLS: `binance=${this.origin}`,
      MARKETS: options.symbols.map((symbol) => `binance:${symbol}`).join(','),
      TIMEFRAMES: options.timeframes,
      BACKFILL_FROM: new Date(options.fromMs).toISOString(),
      FUTURES: 'false',
    };
  }

  /** The candles of a market in [sinceMs, untilMs) that have ended by now, as the exchange would send them. */
  listTruth(symbol: string, interval: BinanceInterval, sinceMs: number, untilMs = Infinity): RecordedRow[] {
    const listing = this.exchange.venue.spot.get(toMarketId(symbol));
    if (!listing) throw new Error(`no market ${symbol} on this stage`);
    const nowMs = this.now();
    const rows: RecordedRow[] = [];
    const endMs = Math.min(untilMs, nowMs) - 1;
    for (let startMs = sinceMs; ;) {
      const page = listing.klines.listKlines({ interval, startMs, endMs, limit: 1000, nowMs }) ?? [];
      for (const [openMs, open, high, low, close, volume, closeMs] of page)
        if (closeMs < nowMs) rows.push([openMs, open, high, low, close, volume]);
      const last = page.at(-1);
      if (page.length < 1000 || !last) return rows;
      startMs = last[0] + 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exchange.close();
  }
}

/** All stored candles of a series, oldest first, with their digits as the database holds them. */
export async function listStored(url: string, symbol: string, timeframe: string): Promise<RecordedRow[]> {
  const rows = await execute(
    url,
    `select (extract(epoch from timestamp) * 1000)::bigint::text as at, open::text, high::text, low::text, close::text,
       volume::text
     from ohlcv_data where exchange = 'binance' and symbol = '${symbol}' and timeframe = '${timeframe}' order by timestamp`,
  );
  return rows.map((row) => {
    const [at, ...values] = ['at', 'open', 'high', 'low', 'close', 'volume'].map((name) => String(row[name]));
    return [Number(at), ...values] as unknown as RecordedRow;
  });
}

/** How many candles are stored in all series together. */
export async function countStored(url: string): Promise<number> {
  const [row] = await execute(url, 'select count(*)::int as n from ohlcv_data');
  return Number(row?.['n']);
}
