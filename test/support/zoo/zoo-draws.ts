import fc from 'fast-check';
import type { WireId } from '../../../simulator/zoo/wires/all-wires.ts';
import type { DialectName } from '../../../simulator/zoo/zoo-dialect.ts';
import type { ZooIncident } from '../../../simulator/zoo/zoo-exchange.ts';
import { describeDifference } from './compare-with-truth.ts';
import { MINUTE_MS, ZOO_START_MS, ZooStage } from './zoo-stage.ts';

/** One exchange as a seed drew it; times are minutes before (holes, listings) or after the start (all others). */
export interface ZooDraw {
  readonly seed: string;
  readonly wire: WireId;
  readonly dialects: readonly DialectName[];
  readonly market:
    | { readonly kind: 'busy' }
    | { readonly kind: 'patchy'; readonly share: number }
    | { readonly kind: 'rare'; readonly tradesPerDay: number }
    | { readonly kind: 'new' | 'delisted'; readonly minutesAgo: number };
  readonly holes: readonly { readonly minutesAgo: number; readonly length: number }[];
  readonly incidents: readonly {
    readonly kind: ZooIncident['kind'];
    readonly after: number;
    readonly length: number;
    readonly every: number;
  }[];
  readonly restarts: readonly number[];
  readonly services: 1 | 2;
}

export interface DrawOutcome {
  readonly draw: ZooDraw;
  /** What is wrong, in a few words each; empty where nothing is. */
  readonly faults: readonly string[];
  readonly requests: number;
  readonly stored: number;
  /** Of the exchange's time. */
  readonly minutes: number;
}

/** Those whose requests ccxt spaces least: what is asked too often shows. */
const FAST_WIRES = ['bybit', 'kucoin', 'gate', 'okx', 'binance'] as const satisfies readonly WireId[];
const SLOW_WIRES = ['kraken', 'bitfinex', 'htx', 'gemini', 'bitbank'] as const satisfies readonly WireId[];
/** Of each group one or none is on. */
const GROUPS: readonly (readonly DialectName[])[] = [
  ['page_limit', 'page_limit_newest', 'page_by_day'],
  ['newest_rows_only', 'newest_slots_only'],
  ['since_exclusive', 'since_rounded_up', 'since_ignored'],
  ['until_ignored', 'until_exclusive', 'until_inclusive'],
  ['newest_first'],
  ['empty_as_zeros', 'empty_repeated', 'empty_omitted'],
  ['days_from_16', 'weeks_from_thursday'],
  ['hours_for_minutes'],
  ['no_closing_time'],
  ['values_as_strings', 'values_as_numbers'],
];

/** One of a group of several is on in every second exchange, a lone one in every eighth. */
const dialects = fc
  .tuple(
    ...GROUPS.map((names) => {
      const off = { weight: names.length > 1 ? 1 : 7, arbitrary: fc.constant(null) };
      return fc.oneof(off, { weight: 1, arbitrary: fc.constantFrom(...names) });
    }),
  )
  .map((chosen) => chosen.filter((name) => name !== null));

const market: fc.Arbitrary<ZooDraw['market']> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'busy' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('patchy' as const), share: fc.constantFrom(0.3, 0.85, 0.998) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rare' as const), tradesPerDay: fc.constant(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('new' as const, 'delisted' as const),
      minutesAgo: fc.integer({ min: 30, max: 1200 }),
    }),
  },
);

const anyDraw: fc.Arbitrary<ZooDraw> = fc.record({
  seed: fc.integer({ min: 1, max: 999_999 }).map(String),
  wire: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...FAST_WIRES) },
    { weight: 1, arbitrary: fc.constantFrom(...SLOW_WIRES) },
  ),
  dialects,
  market,
  holes: fc.array(
    fc.record({ minutesAgo: fc.integer({ min: 20, max: 1400 }), length: fc.constantFrom(1, 2, 30, 200) }),
    { maxLength: 3 },
  ),
  incidents: fc.array(
    fc.record({
      kind: fc.constantFrom('unavailable' as const, 'error_body' as const, 'empty_answer' as const, 'cut' as const),
      after: fc.integer({ min: 0, max: 8 }),
      length: fc.integer({ min: 1, max: 4 }),
      every: fc.constantFrom(1, 2),
    }),
    { maxLength: 2 },
  ),
  restarts: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 2 }),
  services: fc.constantFrom(1, 1, 1, 2),
});

/** These say one end of a range in their requests, or none: what becomes of the others is nothing that they can show. */
const ONE_ENDED: readonly WireId[] = ['kraken', 'gemini', 'bitbank'];

/** Whether an exchange of this wire may have this manner: Binance's answers speak for the whole range, and that is told. */
function isAble(wire: WireId, name: DialectName): boolean {
  if (wire === 'binance') return !/^(page|newest_.*_only|since|until)/.test(name);
  return !(ONE_ENDED.includes(wire) && /^(since|until)_/.test(name));
}

/**
 * Every exchange, market and mishap of the zoo, less what nobody can tell: hours in place of minutes show by twenty of
 * them in a row.
 */
export const zooDraw: fc.Arbitrary<ZooDraw> = anyDraw.map((any) => {
  const { wire } = any;
  const draw = {
    ...any,
    dialects: any.dialects.filter(
      // The row of midnight, after a day that ends before it, can be asked for by nobody then.
      (name, _index, all) => isAble(wire, name) && !(name === 'since_exclusive' && all.includes('page_by_day')),
    ),
    incidents: any.incidents.filter(({ kind }) => !(wire === 'binance' && kind === 'empty_answer')),
  };
  if (!draw.dialects.includes('hours_for_minutes')) return draw;
  const isHourly = draw.market.kind === 'busy' || draw.market.kind === 'patchy';
  return { ...draw, holes: [], market: isHourly ? draw.market : { kind: 'busy' } };
});

/** A hole is believed after two answers so far apart, one that nothing frames after sixty times that. */
const CONFIRM_S = 10;
/** What is believed wrongly is believed by then. */
const SHORTEST_MS = 15 * MINUTE_MS;
const LONGEST_MS = 45 * MINUTE_MS;
/** After all restarts and incidents. */
const DELISTED_AFTER_MS = 25 * MINUTE_MS;

/**
 * Collects a day of minutes of the drawn exchange until nothing is wrong any more, at least a quarter of an hour of its
 * time and at most three quarters.
 */
export async function runDraw(draw: ZooDraw, speed: number): Promise<DrawOutcome> {
  const { market: shape, holes } = draw;
  const startMs = ZOO_START_MS;
  const before = (minutes: number): number => Math.floor(startMs / MINUTE_MS) * MINUTE_MS - minutes * MINUTE_MS;
  await using stage = await ZooStage.open({
    wire: draw.wire,
    seed: draw.seed,
    startMs,
    speed,
    confirmEmptyAfterS: CONFIRM_S,
    dialects: draw.dialects,
    market: {
      holes: holes.map(({ minutesAgo, length }) => ({ since: before(minutesAgo), until: before(minutesAgo - length) })),
      ...(shape.kind === 'patchy' ? { share: shape.share } : {}),
      ...(shape.kind === 'rare' ? { tradesPerDay: shape.tradesPerDay } : {}),
      ...(shape.kind === 'new' ? { listedMs: before(shape.minutesAgo) } : {}),
      // It trades on for a while: a market that was never listed is never collected.
      ...(shape.kind === 'delisted' ? { delistedMs: startMs + DELISTED_AFTER_MS } : {}),
    },
    incidents: draw.incidents.map(({ kind, after, length, every }) => ({
      kind,
      every,
      since: startMs + after * MINUTE_MS,
      until: startMs + (after + length) * MINUTE_MS,
    })),
  });
  for (let started = 0; started < draw.services; started++) await stage.start();
  const restarts = draw.restarts.toSorted((a, b) => a - b).map((minute) => startMs + minute * MINUTE_MS);
  for (;;) {
    const passed = stage.clock.now() - startMs;
    while ((restarts[0] ?? Infinity) <= stage.clock.now()) {
      restarts.shift();
      await stage.restart();
    }
    if (passed >= SHORTEST_MS + (shape.kind === 'delisted' ? DELISTED_AFTER_MS : 0)) {
      const difference = await stage.compare('1m', draw.services + draw.restarts.length * draw.services);
      const faults = [...describeDifference(difference), ...stage.crashes.map((crash) => `crashed: ${String(crash)}`)];
      if (faults.length === 0 || passed >= LONGEST_MS) {
        const { stored } = difference;
        return { draw, faults, requests: stage.zoo.requests.length, stored, minutes: Math.round(passed / MINUTE_MS) };
      }
    }
    await stage.pass(MINUTE_MS);
  }
}

/** Runs draws, a few at a time, and tells of each as it ends. */
export async function runDraws(
  draws: readonly ZooDraw[],
  { speed, together, onEnd }: { speed: number; together: number; onEnd: (outcome: DrawOutcome) => void },
): Promise<DrawOutcome[]> {
  const outcomes: DrawOutcome[] = [];
  const queue = draws.values();
  const work = async (): Promise<void> => {
    for (const draw of queue) {
      const outcome = await runDraw(draw, speed).catch((error: unknown) => ({
        draw,
        faults: [`could not be run: ${error instanceof Error ? error.message : String(error)}`],
        requests: 0,
        stored: 0,
        minutes: 0,
      }));
      outcomes.push(outcome);
      onEnd(outcome);
    }
  };
  await Promise.all(Array.from({ length: together }, work));
  return outcomes;
}
