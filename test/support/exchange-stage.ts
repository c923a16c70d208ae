import { SYSTEM_CLOCK, type Clock } from '../../src/clock.ts';
import { createChaos, type Chaos } from '../../simulator/chaos.ts';
import type { ChaosRates } from '../../simulator/chaos-rates.ts';
import type { BinanceInterval } from '../../simulator/binance-interval.ts';
import type { Fault, InterceptedRequest } from '../../simulator/fault.ts';
import { listFunding } from '../../simulator/funding.ts';
import {
  OPEN_INTEREST,
  TAKER_VOLUMES,
  TOP_TRADER_POSITIONS,
  type StatisticsSource,
} from '../../simulator/futures-statistics.ts';
import type { PerpetualListing } from '../../simulator/market-listing.ts';
import type { RecordedRow, RecordedSeries } from '../../simulator/recorded-candles.ts';
import { SimulatedExchange } from '../../simulator/simulated-exchange.ts';
import type { StreamOptions } from '../../simulator/stream-server.ts';
import { DEFAULT_MARKETS, toMarketId, type SimulatedMarket } from '../../simulator/symbol-catalogue.ts';
import {
  FUTURES_SLOT_MS,
  toFuturesSlot,
  type FuturesFeed,
  type FuturesMetric,
} from '../../src/market/futures-snapshot.ts';
import { execute } from './postgres.ts';

export interface StageOptions {
  /** Markets of `DEFAULT_MARKETS` to list. */
  readonly symbols?: readonly string[];
  /** More markets, such as `inventMarkets(500)`. */
  readonly markets?: readonly SimulatedMarket[];
  readonly recorded?: readonly RecordedSeries[];
  /** What its clock shows when the stage opens; it runs on from there. What `clock` shows unless given. */
  readonly nowMs?: number;
  /** How its time passes; the machine's unless given. */
  readonly clock?: Clock;
  readonly stream?: Partial<StreamOptions>;
  /** Misbehaves by this seed until `stage.chaos.stop()`. */
  readonly chaos?: { readonly seed: string; readonly rates?: Partial<ChaosRates> };
  readonly port?: number;
}

/** What the exchange finally says of one hour: the metrics of one feed, with their digits. */
export type FuturesTruth = { readonly timestamp: number } & { readonly [M in FuturesMetric]?: string };

/** The simulated exchange on a port of the loopback, with a fault that a test may change at any time. */
export class ExchangeStage implements AsyncDisposable {
  readonly exchange: SimulatedExchange;
  readonly chaos: Chaos | null;
  /** Asked before each answer, and before chaos. */
  intercept: (request: InterceptedRequest) => Fault | undefined = () => undefined;
  readonly #clock: Clock;
  readonly #offsetMs: number;
  #origin = '';

  private constructor({ symbols = [], markets = [], recorded = [], nowMs, clock, stream, chaos }: StageOptions) {
    this.#clock = clock ?? SYSTEM_CLOCK;
    this.#offsetMs = nowMs === undefined ? 0 : nowMs - this.#clock.now();
    const shown: Clock = { now: () => this.now(), sleep: (ms, signal) => this.#clock.sleep(ms, signal) };
    this.chaos = chaos === undefined ? null : createChaos({ ...chaos, clock: shown });
    this.exchange = new SimulatedExchange({
      seed: 'e2e',
      symbols: [...DEFAULT_MARKETS.filter(({ symbol }) => symbols.includes(symbol)), ...markets],
      recorded,
      clock: shown,
      ...(stream === undefined ? {} : { stream }),
      ...(this.chaos === null ? {} : { streamFaults: this.chaos.streamFaults }),
      intercept: (request) => this.intercept(request) ?? this.chaos?.intercept(request),
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
    return this.#clock.now() + this.#offsetMs;
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

  /**
   * The candles of a market in [sinceMs, untilMs) that have ended by now, as the exchange finally says them, whatever
   * its chaos does meanwhile.
   */
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

  /**
   * What the exchange finally says of a perpetual in the hours [sinceMs, untilMs), by the spot symbol: oldest first, the
   * metrics of that feed. Statistics are told whatever their age, though the exchange serves 30 days of them.
   */
  listFuturesTruth(symbol: string, feed: FuturesFeed, sinceMs: number, untilMs = Infinity): FuturesTruth[] {
    const listing = this.exchange.venue.perpetuals.get(toMarketId(symbol));
    if (!listing) throw new Error(`no perpetual of ${symbol} on this stage`);
    const nowMs = this.now();
    const endMs = Math.min(untilMs - 1, nowMs);
    if (feed === 'funding_rate') {
      return listFunding(listing, { startMs: sinceMs, endMs: Infinity, limit: Infinity, nowMs })
        .map(({ fundingTime, fundingRate }) => ({ timestamp: toFuturesSlot(fundingTime), funding_rate: fundingRate }))
        .filter(({ timestamp }) => timestamp >= sinceMs && timestamp <= endMs);
    }
    const truth: FuturesTruth[] = [];
    const first = Math.ceil(Math.max(sinceMs, listing.listedMs) / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
    for (let timestamp = first; timestamp <= endMs; timestamp += FUTURES_SLOT_MS) {
      if (timestamp < listing.candles.haltedMs) truth.push(...readHour(listing, feed, timestamp, nowMs));
    }
    return truth;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exchange.close();
  }
}

const SOURCES: Readonly<
  Record<
    'open_interest' | 'top_trader_ratio' | 'taker_buy_sell_ratio',
    { readonly source: StatisticsSource; readonly columns: Readonly<Partial<Record<FuturesMetric, string>>> }
  >
> = {
  open_interest: {
    source: OPEN_INTEREST,
    columns: { open_interest: 'sumOpenInterest', open_interest_value: 'sumOpenInterestValue' },
  },
  top_trader_ratio: { source: TOP_TRADER_POSITIONS, columns: { top_trader_ratio: 'longShortRatio' } },
  taker_buy_sell_ratio: { source: TAKER_VOLUMES, columns: { taker_buy_sell_ratio: 'buySellRatio' } },
};

function readHour(
  listing: PerpetualListing,
  feed: Exclude<FuturesFeed, 'funding_rate'>,
  timestamp: number,
  nowMs: number,
): FuturesTruth[] {
  if (feed === 'mark_price') {
    const query = { interval: '1h', startMs: timestamp, endMs: timestamp, limit: 1, nowMs } as const;
    return (listing.markKlines.listKlines(query) ?? []).map(([, open]) => ({ timestamp, mark_price: open }));
  }
  const { source, columns } = SOURCES[feed];
  if (timestamp > source.newest('1h', nowMs)) return [];
  const row = source.row(listing, timestamp, '1h') as Readonly<Record<string, string>>;
  return [{ timestamp, ...Object.fromEntries(Object.entries(columns).map(([metric, name]) => [metric, row[name]])) }];
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

/** All stored values of a feed's metrics, oldest first, shaped as `ExchangeStage.listFuturesTruth` tells them. */
export async function listStoredFutures(
  url: string,
  symbol: string,
  metrics: readonly FuturesMetric[],
): Promise<FuturesTruth[]> {
  const rows = await execute(
    url,
    `select (extract(epoch from timestamp) * 1000)::bigint::text as at, ${metrics.map((name) => `${name}::text`).join(', ')}
     from futures_data where exchange = 'binance' and symbol = '${symbol}' and num_nonnulls(${metrics.join(', ')}) > 0
     order by timestamp`,
  );
  return rows.map((row) => ({
    timestamp: Number(row['at']),
    ...Object.fromEntries(metrics.filter((name) => row[name] !== null).map((name) => [name, String(row[name])])),
  }));
}

/** How many candles are stored in all series together. */
export async function countStored(url: string): Promise<number> {
  const [row] = await execute(url, 'select count(*)::int as n from ohlcv_data');
  return Number(row?.['n']);
}
