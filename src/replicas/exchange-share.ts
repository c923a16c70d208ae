/** What a replica should do about the markets of one exchange. */
export interface SharePlan {
  /** Markets to give up: more than its part, or no longer wanted. */
  readonly give: readonly string[];
  /** Markets to ask for, of which it may get at most `take`. */
  readonly ask: readonly string[];
  readonly take: number;
}

export interface ShareSight {
  /** How many markets are this replica's part. */
  readonly part: number;
  /** Markets that stay free without us: see `noticeFree`. */
  readonly unclaimed: ReadonlySet<string>;
  /** Whether the database was away just now: the others may not have said yet that they are alive. */
  readonly isComeback: boolean;
}

/**
 * How many of `count` markets fall to the replica at `rank` (from 0) of `replicas`. The parts differ by one at most and
 * add up to `count`. `exchange` decides who gets the odd ones, so that it is not the same replica on every exchange.
 */
export function countPart(count: number, { rank, replicas }: { rank: number; replicas: number }, exchange: string) {
  const turn = Array.from(exchange).reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);
  return Math.floor(count / replicas) + ((rank + turn) % replicas < count % replicas ? 1 : 0);
}

/** The markets of one exchange that this replica wants, and those that it holds by the leases in the database. */
export class ExchangeShare {
  #wanted: ReadonlySet<string> = new Set();
  #held: ReadonlySet<string> = new Set();
  /** Held before the lease was lost. */
  #before: ReadonlySet<string> = new Set();
  /** Held beyond our part because nobody else wanted them: an exchange's list may be older in another replica. */
  readonly #leftovers = new Set<string>();
  /** Since when (ms) a market has been free at each look. */
  #freeSince: ReadonlyMap<string, number> = new Map();
  #isKnown = false;

  /** The markets held; null while that is not known. */
  get held(): ReadonlySet<string> | null {
    return this.#isKnown ? this.#held : null;
  }

  get wantedCount(): number {
    return this.#wanted.size;
  }

  /** Wanted, and not held by us. */
  get others(): readonly string[] {
    return [...this.#wanted].filter((symbol) => !this.#held.has(symbol));
  }

  want(symbols: readonly string[]): void {
    this.#wanted = new Set(symbols);
  }

  /** Takes over what the database says that we hold. Answers whether that is news. */
  learn(symbols: readonly string[]): boolean {
    const isNews = !this.#isKnown || symbols.length !== this.#held.size || symbols.some((one) => !this.#held.has(one));
    if (isNews) this.#held = new Set(symbols);
    this.#isKnown = true;
    return isNews;
  }

  /** Others have joined or gone: what nobody wanted may be wanted now. */
  forgetLeftovers(): void {
    this.#leftovers.clear();
    this.#freeSince = new Map();
  }

  /**
   * Takes note of the markets that are free now (`atMs`, on a clock that runs forward), and answers those that were
   * free at each look for `forMs`. One look is not enough: what a replica has just given up is meant for those who lack
   * some, and whoever took it beyond his part would keep it from them for good.
   */
  noticeFree(free: readonly string[], atMs: number, forMs: number): ReadonlySet<string> {
    this.#freeSince = new Map(free.map((symbol) => [symbol, this.#freeSince.get(symbol) ?? atMs]));
    return new Set(free.filter((symbol) => atMs - (this.#freeSince.get(symbol) ?? atMs) >= forMs));
  }

  /** The lease ran out: nothing is held any more. Answers whether that is news. */
  lose(): boolean {
    const isNews = this.#isKnown;
    if (isNews) this.#before = this.#held;
    this.#freeSince = new Map();
    this.#isKnown = false;
    this.#held = new Set();
    return isNews;
  }

  drop(symbols: readonly string[]): void {
    const held = new Set(this.#held);
    for (const symbol of symbols) held.delete(symbol);
    this.#held = held;
  }

  /** Adds what was claimed; beyond `part` it counts as left over by the others. */
  add(symbols: readonly string[], part: number): void {
    const held = new Set(this.#held);
    for (const symbol of symbols) {
      if (held.size - this.#leftovers.size >= part) this.#leftovers.add(symbol);
      held.add(symbol);
    }
    this.#held = held;
  }

  plan({ part, unclaimed, isComeback }: ShareSight): SharePlan {
    for (const symbol of this.#leftovers)
      if (!this.#held.has(symbol) || !this.#wanted.has(symbol)) this.#leftovers.delete(symbol);
    const kept = [...this.#held].filter((symbol) => this.#wanted.has(symbol));
    const unwanted = [...this.#held].filter((symbol) => !this.#wanted.has(symbol));
    const own = kept.filter((symbol) => !this.#leftovers.has(symbol));
    const surplus = own.slice(part);
    const lacking = Math.max(0, part - own.length);
    const idle = this.others.filter((symbol) => unclaimed.has(symbol));
    const wanted = idle.length > lacking ? idle : this.others;
    const take = surplus.length > 0 ? 0 : Math.max(lacking, idle.length);
    const ask = isComeback ? wanted.filter((symbol) => this.#before.has(symbol)) : wanted;
    if (!isComeback) this.#before = new Set();
    return { give: [...unwanted, ...surplus], ask: take === 0 ? [] : ask, take: Math.min(take, ask.length) };
  }
}
