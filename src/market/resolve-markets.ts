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

/** Up to three of `names` that differ from `wanted` by at most two edits, or by the order of their halves, nearest first. */
function listNearest(wanted: string, names: readonly string[]): string[] {
  const swapped = wanted.split('/').toReversed().join('/');
  return names
    .map((name) => ({ name, distance: name === swapped ? 0 : countEdits(wanted, name, 2) }))
    .filter(({ distance }) => distance <= 2)
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** The edit distance (insert, delete, replace, swap of neighbours), or `limit + 1` where it is more than `limit`. */
function countEdits(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const candidates = [
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
      ];
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        candidates.push((beforeLast[column - 2] ?? 0) + 1);
      current.push(Math.min(...candidates));
    }
    [beforeLast, last] = [last, current];
  }
  return Math.min(limit + 1, last[b.length] ?? 0);
}
