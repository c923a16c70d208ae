import { MINUTE_MS } from '../src/market/moments.ts';
import { BUSIEST_MINUTE } from './price-model.ts';

/** A market of the simulated exchange. */
export interface SimulatedMarket {
  /** ccxt's unified symbol, such as `BTC/USDT`; Binance's own id is the same without the slash. */
  readonly symbol: string;
  /** The price, in the quote currency, around which it wanders over years. */
  readonly level: number;
  /** Standard deviation of an ordinary hour's logarithmic return. */
  readonly hourlyVolatility: number;
  /** Ordinary turnover of a minute, in the quote currency. */
  readonly quotePerMinute: number;
  /** Decimals of a price and of an amount, as tickSize and stepSize tell them. */
  readonly tickDecimals: number;
  readonly stepDecimals: number;
  /** Trading starts (epoch ms, on a full minute). */
  readonly listedMs: number;
  /** Trading ended (epoch ms, on a full minute); the market is then listed as BREAK. */
  readonly haltedMs?: number;
  /** Its linear perpetual, if it has one. `openInterest` is the ordinary open interest in the base currency. */
  readonly perpetual?: {
    readonly tickDecimals: number;
    readonly stepDecimals: number;
    readonly listedMs: number;
    readonly openInterest: number;
    /** Where funding is not settled every eight hours, oldest first. */
    readonly funding?: readonly FundingInterval[];
  };
}

/** From `sinceMs` on funding is settled every `hours`, counted from midnight UTC. */
export interface FundingInterval {
  readonly sinceMs: number;
  readonly hours: number;
}

/** Most perpetuals settle at 00:00, 08:00 and 16:00 UTC. */
export const ORDINARY_FUNDING_HOURS = 8;

/** The perpetuals turn over this many times what spot does. */
export const PERPETUAL_TURNOVER = 4;

const hourly = (text: string): number => Date.parse(`${text}:00Z`);

/** `BTCUSDT` for `BTC/USDT`. */
export function toMarketId(symbol: string): string {
  return symbol.replace('/', '');
}

/** `['BTC', 'USDT']` for `BTC/USDT`. */
export function splitSymbol(symbol: string): readonly [base: string, quote: string] {
  const [base, quote, ...rest] = symbol.split('/');
  const isPart = (part: string | undefined): part is string => part !== undefined && /^[A-Z0-9]{1,12}$/.test(part);
  if (!isPart(base) || !isPart(quote) || rest.length > 0) {
    throw new RangeError(`"${symbol}" is not a symbol: write BASE/QUOTE in capitals, such as BTC/USDT`);
  }
  return [base, quote];
}

/**
 * Checks what the arithmetic of price-model.ts relies on.
 *
 * @throws RangeError naming the market and what is wrong with it.
 */
export function checkMarket(market: SimulatedMarket): void {
  const { symbol, perpetual, level } = market;
  splitSymbol(symbol);
  const fail = (reason: string): never => {
    throw new RangeError(`the simulated market ${symbol} cannot be served: ${reason}`);
  };
  for (const [name, value] of Object.entries({
    level,
    hourlyVolatility: market.hourlyVolatility,
    quotePerMinute: market.quotePerMinute,
    openInterest: perpetual?.openInterest ?? 1,
  })) {
    if (!(value > 0 && Number.isFinite(value))) fail(`${name} must be a number above zero`);
  }
  if (market.hourlyVolatility > 0.05) fail('hourlyVolatility above 0.05 leaves the range of its prices');
  for (const timeMs of [market.listedMs, market.haltedMs ?? 0, perpetual?.listedMs ?? 0]) {
    if (!Number.isSafeInteger(timeMs) || timeMs % MINUTE_MS !== 0) fail('listing and halt must lie on full minutes');
  }
  if (market.haltedMs !== undefined && market.haltedMs <= market.listedMs) fail('its halt lies before its listing');
  let before = -Infinity;
  for (const { sinceMs, hours } of perpetual?.funding ?? []) {
    if (![1, 2, 4, 8].includes(hours)) fail('funding is settled every 1, 2, 4 or 8 hours');
    if (!(sinceMs > before)) fail('its funding intervals must be given oldest first');
    before = sinceMs;
  }
  checkUnits(market, market.quotePerMinute, fail);
  if (perpetual) checkUnits({ ...perpetual, level }, market.quotePerMinute * PERPETUAL_TURNOVER, fail);
}

function checkUnits(
  { level, tickDecimals, stepDecimals }: { level: number; tickDecimals: number; stepDecimals: number },
  quotePerMinute: number,
  fail: (reason: string) => never,
): void {
  for (const decimals of [tickDecimals, stepDecimals]) {
    if (!Number.isInteger(decimals) || decimals < 0 || decimals > 8) fail('decimals must be whole numbers from 0 to 8');
  }
  if (tickDecimals + stepDecimals > 8) fail('tickDecimals and stepDecimals must be 8 together at most');
  if (level * 10 ** tickDecimals < 100) fail('a tick must be at most a hundredth of the level');
  // One more factor of two covers rounding an hour of small volumes up to whole steps.
  const busiestHour = quotePerMinute * BUSIEST_MINUTE * 60 * 10 ** (tickDecimals + stepDecimals);
  if (busiestHour * 2 > Number.MAX_SAFE_INTEGER) fail('its hourly quote volume is too large to be added up exactly');
}

const SPOT_2019 = hourly('2019-01-01T00:00');
const PERPETUAL_2019 = hourly('2019-09-08T17:00');
const PERPETUAL_2020 = hourly('2020-06-22T08:00');

/** The markets served where no others are given. Levels and turnovers are of the order of the real ones. */
export const DEFAULT_MARKETS: readonly SimulatedMarket[] = [
  market('BTC/USDT', 68_000, 0.0048, 480_000, [2, 5], SPOT_2019, [1, 3, PERPETUAL_2019, 88_000]),
  market('ETH/USDT', 2_900, 0.0062, 420_000, [2, 4], SPOT_2019, [2, 3, PERPETUAL_2019, 1_900_000]),
  market('SOL/USDT', 155, 0.0085, 190_000, [2, 3], hourly('2020-08-11T06:00'), [2, 0, hourly('2020-09-14T07:00'), 9e6]),
  market('XRP/USDT', 1.9, 0.0078, 160_000, [4, 1], SPOT_2019, [4, 1, PERPETUAL_2020, 310e6]),
  market('BNB/USDT', 610, 0.0058, 80_000, [2, 3], SPOT_2019, [2, 2, PERPETUAL_2020, 620_000]),
  market('ADA/USDT', 0.62, 0.0078, 50_000, [4, 1], SPOT_2019, [
    4,
    0,
    PERPETUAL_2020,
    180e6,
    [{ sinceMs: hourly('2026-08-15T00:00'), hours: 4 }],
  ]),
  market('DOGE/USDT', 0.19, 0.0088, 90_000, [5, 0], hourly('2019-07-05T12:00'), [
    5,
    0,
    hourly('2020-07-10T09:00'),
    2.1e9,
  ]),
  market('LTC/USDT', 96, 0.0068, 25_000, [2, 3], SPOT_2019, [2, 3, PERPETUAL_2020, 1_400_000]),
  market('LINK/USDT', 16.5, 0.0079, 30_000, [2, 2], hourly('2019-01-16T10:00'), [3, 2, PERPETUAL_2020, 14e6]),
  market('TRX/USDT', 0.24, 0.0045, 30_000, [4, 1], SPOT_2019, [5, 0, PERPETUAL_2020, 640e6]),
  market('AVAX/USDT', 27, 0.0084, 28_000, [2, 2], hourly('2020-09-22T06:00'), [3, 0, hourly('2020-09-23T07:00'), 9e6]),
  // Binance's perpetual on it counts in thousands (1000PEPE), which is another base currency: none here.
  market('PEPE/USDT', 0.0000112, 0.0105, 50_000, [8, 0], hourly('2023-05-05T16:00')),
  market('ETH/BTC', 0.041, 0.0035, 2.1, [5, 3], SPOT_2019),
  // Invented: a young market, for those who ask for more history than there is.
  market('NOVA/USDT', 3.4, 0.0125, 9_000, [4, 1], hourly('2026-05-06T08:00'), [
    4,
    0,
    hourly('2026-05-08T10:00'),
    2.6e6,
    [{ sinceMs: 0, hours: 4 }],
  ]),
  { ...market('XMR/USDT', 140, 0.0062, 12_000, [1, 3], SPOT_2019), haltedMs: hourly('2024-02-20T03:00') },
];

/** More markets, for those who need many: `M001/USDT` and so on, each with a perpetual, listed since 2019. */
export function inventMarkets(count: number): SimulatedMarket[] {
  return Array.from({ length: count }, (_, index) => {
    const symbol = `M${String(index + 1).padStart(3, '0')}/USDT`;
    return market(symbol, 2 + (index % 50), 0.007, 40_000, [3, 1], SPOT_2019, [3, 1, PERPETUAL_2020, 4e6]);
  });
}

function market(
  symbol: string,
  level: number,
  hourlyVolatility: number,
  quotePerMinute: number,
  [tickDecimals, stepDecimals]: readonly [number, number],
  listedMs: number,
  perpetual?: readonly [
    tickDecimals: number,
    stepDecimals: number,
    listedMs: number,
    openInterest: number,
    funding?: readonly FundingInterval[],
  ],
): SimulatedMarket {
  const spot = { symbol, level, hourlyVolatility, quotePerMinute, tickDecimals, stepDecimals, listedMs };
  if (!perpetual) return spot;
  const [perpetualTick, perpetualStep, perpetualListedMs, openInterest, funding = []] = perpetual;
  return {
    ...spot,
    perpetual: {
      tickDecimals: perpetualTick,
      stepDecimals: perpetualStep,
      listedMs: perpetualListedMs,
      openInterest,
      funding,
    },
  };
}
