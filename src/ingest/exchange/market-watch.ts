import type { Clock } from '../../clock.ts';
import type { Exchange } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import { isWildcard, type Instrument, type MarketPattern } from '../../market/instrument.ts';
import { HOUR_MS, MINUTE_MS } from '../../market/moments.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import { resolveMarkets } from '../../market/resolve-markets.ts';
import type { SeriesState } from '../../market/service-state.ts';

export interface MarketWatchDeps {
  readonly exchange: Exchange;
  readonly patterns: readonly MarketPattern[];
  readonly timeframes: readonly Timeframe[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const EVERY_MS = HOUR_MS;
/** A market that is not listed may have been left out of one answer: for an hour it is looked for more often. */
const ABSENT_EVERY_MS = 5 * MINUTE_MS;
const ABSENT_FOR_MS = HOUR_MS;

/** Which of the wanted markets one exchange lists, as of its latest list. */
export class MarketWatch {
  readonly #deps: MarketWatchDeps;
  /** The timeframes that the exchange has. */
  readonly offered: readonly Timeframe[];
  /** Symbols that were named, or listed before, and are not listed now, with since when. */
  #absent = new Map<string, number>();
  #listed: readonly Instrument[] = [];
  #refusals: readonly SeriesState[] = [];
  #unmatched: readonly string[] = [];

  constructor(deps: MarketWatchDeps) {
    this.#deps = deps;
    this.offered = deps.timeframes.filter((timeframe) => deps.exchange.hasTimeframe(timeframe));
  }

  /** The markets to collect. */
  get listed(): readonly Instrument[] {
    return this.#listed;
  }

  /** The series that were asked for and cannot be collected, with the reason. */
  get refusals(): readonly SeriesState[] {
    return this.#refusals;
  }

  /** For each wildcard that takes nothing, a sentence for a person. */
  get unmatched(): readonly string[] {
    return this.#unmatched;
  }

  /** The series that were named: until the exchange has said what it lists, they count as being on their way. */
  get expected(): SeriesState[] {
    const { exchange, patterns, timeframes } = this.#deps;
    return patterns
      .filter((pattern) => pattern.exchange === exchange.id && !isWildcard(pattern))
      .flatMap(({ symbol }) => timeframes.map((timeframe) => describeAbsent(exchange.id, symbol, timeframe, null)));
  }

  /** How long until the list is worth another look. */
  nextLookMs(): number {
    const now = this.#deps.clock.now();
    const isSought = [...this.#absent.values()].some((since) => now - since < ABSENT_FOR_MS);
    return isSought ? ABSENT_EVERY_MS : EVERY_MS;
  }

  /** Takes over what the exchange lists now. */
  take(instruments: readonly Instrument[]): void {
    const { exchange, patterns, timeframes, clock } = this.#deps;
    const { instruments: wanted, unknown, unmatched } = resolveMarkets(exchange.id, patterns, instruments);
    const missing = timeframes.filter((timeframe) => !this.offered.includes(timeframe));
    const refusals = [
      ...unknown.flatMap(({ symbol, reason }) =>
        timeframes.map((timeframe) => describeAbsent(exchange.id, symbol, timeframe, reason)),
      ),
      ...wanted.flatMap(({ symbol }) =>
        missing.map((timeframe) =>
          describeAbsent(exchange.id, symbol, timeframe, `${exchange.id} has no timeframe ${timeframe}`),
        ),
      ),
    ];
    this.#tell(refusals, unmatched);
    const symbols = new Set(wanted.map(({ symbol }) => symbol));
    const absent = [
      ...this.#absent.keys(),
      ...this.#listed.map(({ symbol }) => symbol),
      ...unknown.map((each) => each.symbol),
    ];
    const now = clock.now();
    this.#absent = new Map(
      absent.filter((symbol) => !symbols.has(symbol)).map((symbol) => [symbol, this.#absent.get(symbol) ?? now]),
    );
    [this.#listed, this.#refusals, this.#unmatched] = [wanted, refusals, unmatched];
  }

  /** Says what is new of it. */
  #tell(refusals: readonly SeriesState[], unmatched: readonly string[]): void {
    const { exchange, logger } = this.#deps;
    const known = new Set(this.#refusals.map(({ last_error }) => last_error));
    for (const reason of new Set(refusals.map(({ last_error }) => last_error)))
      if (!known.has(reason))
        logger.warn({ exchange: exchange.id, reason }, 'a market or timeframe cannot be collected');
    for (const reason of unmatched)
      if (!this.#unmatched.includes(reason))
        logger.warn({ exchange: exchange.id, reason }, 'a wildcard takes no market');
  }
}

/** A series without a collector: on its way, or refused with the reason. */
export function describeAbsent(
  exchange: string,
  symbol: string,
  timeframe: Timeframe,
  refusal: string | null,
): SeriesState {
  return {
    exchange,
    symbol,
    timeframe,
    state: refusal === null ? 'backfilling' : 'refused',
    missing: null,
    rejected: 0,
    last_error: refusal,
    last_candle_at: null,
  };
}
