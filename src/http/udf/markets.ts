import type { BoundsReader } from '../query/series-lookup.ts';
import { tickerOf, type UdfMarket } from './symbol-info.ts';

/** How long what is stored is believed: a chart asks several times in a row. */
const MAX_AGE_MS = 5_000;

/** The markets that have candles, by exchange and symbol. */
export class UdfMarkets {
  readonly #ohlcv: BoundsReader;
  readonly #now: () => number;
  #markets: Promise<UdfMarket[]> | null = null;
  #readAt = -Infinity;

  constructor({ ohlcv, now = Date.now }: { readonly ohlcv: BoundsReader; readonly now?: () => number }) {
    this.#ohlcv = ohlcv;
    this.#now = now;
  }

  async list(): Promise<UdfMarket[]> {
    if (this.#markets === null || this.#now() - this.#readAt > MAX_AGE_MS) {
      const markets = this.#read();
      this.#markets = markets;
      this.#readAt = this.#now();
      markets.catch(() => {
        if (this.#markets === markets) this.#markets = null;
      });
    }
    return await this.#markets;
  }

  /**
   * By ticker (`binance:BTC/USDT`) or by symbol alone, then the first exchange that has it, and each also as it is
   * written without the slash; null where none has.
   */
  async find(name: string): Promise<UdfMarket | null> {
    const wanted = name.toLowerCase();
    const markets = await this.list();
    return (
      markets.find((market) => tickerOf(market).toLowerCase() === wanted) ??
      markets.find(({ symbol }) => symbol.toLowerCase() === wanted) ??
      markets.find((market) => [tickerOf(market), market.symbol].some((each) => plain(each) === plain(wanted))) ??
      null
    );
  }

  /** Those whose ticker has the text in it, with or without the slash; where it begins the symbol they come first. */
  async search(query: string, exchange: string, limit: number): Promise<UdfMarket[]> {
    const wanted = plain(query);
    const matching = (await this.list()).filter(
      (market) => (exchange === '' || market.exchange === exchange) && plain(tickerOf(market)).includes(wanted),
    );
    const rank = ({ symbol }: UdfMarket) => (plain(symbol) === wanted ? 0 : plain(symbol).startsWith(wanted) ? 1 : 2);
    return matching.toSorted((a, b) => rank(a) - rank(b)).slice(0, limit);
  }

  async #read(): Promise<UdfMarket[]> {
    const groups = Map.groupBy(await this.#ohlcv.listBounds(), tickerOf);
    return [...groups.values()].flatMap((group) => {
      const [first] = group;
      if (!first) return [];
      return [{ exchange: first.exchange, symbol: first.symbol, timeframes: group.map(({ timeframe }) => timeframe) }];
    });
  }
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll('/', '');
}
