/**
 * Which markets this process collects where several share them. A market is one symbol with all its timeframes and
 * feeds.
 */
export interface MarketShares {
  /** Names every market of an exchange that is to be collected by somebody; replaces what was named before. */
  want(exchange: string, symbols: readonly string[]): void;
  /** The markets that are ours now; null: not known yet, collect nothing. */
  held(exchange: string): ReadonlySet<string> | null;
  /** Calls back after each change of what is held; answers how to end that. */
  onChange(listener: () => void): () => void;
}

/** One process alone: every market is its own. */
export class AllShares implements MarketShares {
  readonly #wanted = new Map<string, ReadonlySet<string>>();

  want(exchange: string, symbols: readonly string[]): void {
    this.#wanted.set(exchange, new Set(symbols));
  }

  held(exchange: string): ReadonlySet<string> | null {
    return this.#wanted.get(exchange) ?? null;
  }

  onChange(): () => void {
    return () => undefined;
  }
}
