import { countEdits } from './edit-distance.ts';
import { isWildcard, matchesPattern, type Instrument, type MarketPattern } from './instrument.ts';

export interface ResolvedMarkets {
  /** What to collect, each symbol once, sorted by symbol. */
  readonly instruments: readonly Instrument[];
  /** The exact symbols that the exchange does not list, each with a reason for a person. */
  readonly unknown: readonly { readonly symbol: string; readonly reason: string }[];
  /** For each wildcard that takes nothing, a sentence for a person that names it. */
  readonly unmatched: readonly string[];
}

/**
 * What the patterns of one exchange mean among the instruments that it lists. A wildcard takes the active ones only; a
 * symbol that is named takes a halted market too, because its history still exists.
 */
export function resolveMarkets(
  exchange: string,
  patterns: readonly MarketPattern[],
  instruments: readonly Instrument[],
): ResolvedMarkets {
  const found = new Map<string, Instrument>();
  const unknown: { symbol: string; reason: string }[] = [];
  const unmatched: string[] = [];
  for (const pattern of patterns) {
    if (pattern.exchange !== exchange) continue;
    const matches = instruments.filter((instrument) => matchesPattern(pattern, instrument));
    const wanted = isWildcard(pattern) ? matches.filter(({ active }) => active) : matches;
    for (const instrument of wanted) found.set(instrument.symbol, instrument);
    if (isWildcard(pattern) && wanted.length === 0)
      unmatched.push(`${exchange}:${pattern.symbol} matches no active market of ${exchange}; correct MARKETS`);
    if (!isWildcard(pattern) && matches.length === 0)
      unknown.push({ symbol: pattern.symbol, reason: describeUnknown(exchange, pattern.symbol, instruments) });
  }
  return { instruments: [...found.values()].toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1)), unknown, unmatched };
}

function describeUnknown(exchange: string, symbol: string, instruments: readonly Instrument[]): string {
  const nearest = listNearest(
    symbol,
    instruments.map((instrument) => instrument.symbol),
  );
  const hint = nearest.length === 0 ? '' : `; did you mean ${nearest.join(' or ')}?`;
  return `${exchange} has no market ${symbol}${hint}`;
}

/**
 * Up to three of `names` that differ from `wanted` by at most two edits, or by the order of their halves, nearest
 * first.
 */
function listNearest(wanted: string, names: readonly string[]): string[] {
  const swapped = wanted.split('/').toReversed().join('/');
  return names
    .map((name) => ({ name, distance: name === swapped ? 0 : countEdits(wanted, name, 2) }))
    .filter(({ distance }) => distance <= 2)
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}
