import { ExchangeDataError, ExchangeRejectedError } from '../../errors.ts';
import type { Instrument } from '../../market/instrument.ts';
import { SharedCall } from '../kit/abort.ts';
import type { CcxtClient } from './ccxt-client.ts';
import type { Charge } from '../kit/request-budget.ts';

/** What is read of a market as ccxt lists it. */
interface ListedMarket {
  readonly id?: unknown;
  readonly symbol?: unknown;
  readonly base?: unknown;
  readonly quote?: unknown;
  readonly spot?: unknown;
  readonly swap?: unknown;
  readonly linear?: unknown;
  readonly active?: unknown;
}

interface Listing {
  readonly instruments: Instrument[];
  /** Spot symbol → the exchange's own id, such as `BTCUSDT`. */
  readonly spotIds: ReadonlyMap<string, string>;
  /** Spot symbol → the id of its linear perpetual. */
  readonly perpetualIds: ReadonlyMap<string, string>;
}

/** The markets that an exchange lists, loaded once for all who need them. A failed load is not kept. */
export class MarketCatalog {
  readonly #client: CcxtClient;
  readonly #cost: readonly Charge[];
  readonly #loading: SharedCall<Listing>;
  #listing: Listing | null = null;

  /** `cost`: what loading the markets costs. */
  constructor(deps: { client: CcxtClient; cost: readonly Charge[] }) {
    this.#client = deps.client;
    this.#cost = deps.cost;
    this.#loading = new SharedCall(async () => await this.#load());
  }

  /** All spot markets, asked for anew. */
  async reload(signal: AbortSignal): Promise<Instrument[]> {
    return (await this.#loading.run(signal)).instruments;
  }

  /**
   * The exchange's id of a spot market; loads the markets where that has not been done.
   *
   * @throws ExchangeRejectedError with reason `symbol` where there is no such market.
   */
  async findSpotId(symbol: string, signal: AbortSignal): Promise<string> {
    const { spotIds } = this.#listing ?? (await this.#loading.run(signal));
    return spotIds.get(symbol) ?? this.#unknown(symbol, 'no spot market');
  }

  /** The same for the linear perpetual of a spot market, such as `BTC/USDT:USDT` of `BTC/USDT`. */
  async findPerpetualId(symbol: string, signal: AbortSignal): Promise<string> {
    const { perpetualIds } = this.#listing ?? (await this.#loading.run(signal));
    return perpetualIds.get(symbol) ?? this.#unknown(symbol, 'no linear perpetual of');
  }

  #unknown(symbol: string, what: string): never {
    const { id } = this.#client;
    throw new ExchangeRejectedError(id, `${id} has ${what} "${symbol}"; symbols are written like BTC/USDT`, {
      reason: 'symbol',
    });
  }

  async #load(): Promise<Listing> {
    const { id } = this.#client;
    // `true`: ccxt keeps the rejected promise of a failed load and answers with it for ever, unless told to reload.
    const markets: unknown = await this.#client.call(async (instance) => await instance.loadMarkets(true), {
      subject: 'its markets',
      signal: this.#client.closeSignal,
      exact: false,
      cost: this.#cost,
    });
    const listed = Object.values(typeof markets === 'object' && markets !== null ? markets : {}) as ListedMarket[];
    const listing = readListing(id, listed);
    // ccxt has forgotten the markets it had before; whoever asks next must load them again.
    this.#listing = listing.instruments.length === 0 ? null : listing;
    if (listing.instruments.length === 0) throw new ExchangeDataError(id, `${id} listed no spot market at all`);
    return listing;
  }
}

function readListing(exchange: string, markets: readonly ListedMarket[]): Listing {
  const perpetuals = new Map<string, { id: string; active: boolean }>();
  for (const { id, symbol, base, quote, swap, linear, active } of markets) {
    if (swap !== true || linear !== true || typeof id !== 'string') continue;
    const spotSymbol = `${String(base)}/${String(quote)}`;
    // `BTC/USDT:USDT` only: one that is settled in another currency is not what the spot market's futures data means.
    if (symbol === `${spotSymbol}:${String(quote)}`) perpetuals.set(spotSymbol, { id, active: active !== false });
  }
  const spots = new Map<string, { id: string; instrument: Instrument }>();
  for (const { id, symbol, base, quote, spot, active } of markets) {
    if (spot !== true || typeof id !== 'string' || typeof symbol !== 'string') continue;
    if (typeof base !== 'string' || typeof quote !== 'string') continue;
    const hasPerpetual = perpetuals.get(symbol)?.active === true;
    spots.set(symbol, { id, instrument: { exchange, symbol, base, quote, active: active !== false, hasPerpetual } });
  }
  return {
    instruments: [...spots.values()].map(({ instrument }) => instrument),
    spotIds: new Map([...spots].map(([symbol, { id }]) => [symbol, id])),
    // The id of a perpetual that was delisted still finds its history.
    perpetualIds: new Map([...perpetuals].map(([symbol, { id }]) => [symbol, id])),
  };
}
