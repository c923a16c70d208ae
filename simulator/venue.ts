import { MINUTE_MS } from '../src/market/moments.ts';
import {
  createPerpetual,
  createRecorded,
  createSpot,
  type PerpetualListing,
  type SpotListing,
} from './market-listing.ts';
import type { RecordedSeries } from './recorded-candles.ts';
import { checkMarket, toMarketId, type SimulatedMarket } from './symbol-catalogue.ts';

/** Everything that is served, by Binance's market id. Markets may come and go while it is. */
export class Venue {
  readonly #seed: string;
  readonly #markets = new Map<string, SimulatedMarket>();
  readonly #spot = new Map<string, SpotListing>();
  readonly #perpetuals = new Map<string, PerpetualListing>();

  constructor(deps: { seed: string }) {
    this.#seed = deps.seed;
  }

  /** Also those that are not listed yet, or no longer; see `isListed`. */
  get spot(): ReadonlyMap<string, SpotListing> {
    return this.#spot;
  }

  get perpetuals(): ReadonlyMap<string, PerpetualListing> {
    return this.#perpetuals;
  }

  /**
   * Lists a market from its `listedMs` on, which may lie ahead; one of the same name that was removed comes back.
   *
   * @throws RangeError where it cannot be served, or is listed already.
   */
  list(market: SimulatedMarket): void {
    checkMarket(market);
    const known = this.#spot.get(toMarketId(market.symbol));
    if (known !== undefined && known.removedMs === Infinity)
      throw new RangeError(`the simulated market ${market.symbol} is given twice`);
    this.#put(market, Infinity);
  }

  /** Lists recorded candles. */
  record(symbol: string, series: readonly RecordedSeries[]): void {
    const listing = createRecorded(symbol, series);
    this.#spot.set(listing.id, listing);
  }

  /**
   * Ends trading at `atMs` (a full minute); the market is then listed as BREAK and its history stays.
   *
   * @throws RangeError for a market that is not there, is recorded, or was halted before.
   */
  halt(symbol: string, atMs: number): void {
    const market = this.#markets.get(symbol);
    if (market === undefined) throw new RangeError(`${symbol} cannot be halted: it is not invented here`);
    if (market.haltedMs !== undefined) throw new RangeError(`${symbol} was halted before`);
    const halted = { ...market, haltedMs: atMs };
    checkMarket(halted);
    this.#put(halted, this.#spot.get(toMarketId(symbol))?.removedMs ?? Infinity);
  }

  /** Takes the market away at `atMs`: unknown to every request from then on. What it traded before stays true. */
  remove(symbol: string, atMs: number): void {
    const id = toMarketId(symbol);
    const listing = this.#spot.get(id);
    if (listing === undefined) throw new RangeError(`${symbol} cannot be removed: it is not there`);
    this.#spot.set(id, { ...listing, removedMs: atMs });
    const perpetual = this.#perpetuals.get(id);
    if (perpetual !== undefined) this.#perpetuals.set(id, { ...perpetual, removedMs: atMs });
  }

  #put(market: SimulatedMarket, removedMs: number): void {
    const spot = createSpot(this.#seed, market);
    const perpetual = createPerpetual(this.#seed, market);
    this.#markets.set(market.symbol, market);
    this.#spot.set(spot.id, { ...spot, removedMs });
    if (perpetual !== null) this.#perpetuals.set(perpetual.id, { ...perpetual, removedMs });
  }
}

/**
 * Builds what is served. A recorded symbol takes the place of an invented market of the same name, perpetual included.
 *
 * @throws RangeError where a market or a recording cannot be served.
 */
export function createVenue(options: {
  seed: string;
  markets: readonly SimulatedMarket[];
  recorded: readonly RecordedSeries[];
}): Venue {
  const venue = new Venue({ seed: options.seed });
  const recordedSymbols = new Set(options.recorded.map(({ symbol }) => symbol));
  for (const market of options.markets) if (!recordedSymbols.has(market.symbol)) venue.list(market);
  for (const symbol of recordedSymbols)
    venue.record(
      symbol,
      options.recorded.filter((series) => series.symbol === symbol),
    );
  return venue;
}

/** The first full minute at or after the moment. */
export function ceilToMinute(timeMs: number): number {
  return Math.ceil(timeMs / MINUTE_MS) * MINUTE_MS;
}
