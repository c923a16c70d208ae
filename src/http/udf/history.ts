import type { z } from 'zod';
import type { CandlePage } from '../../db/repositories/read-candle-page.ts';
import { SECOND_MS } from '../../market/moments.ts';
import { timeframeMs } from '../../market/timeframe.ts';
import { findOrigin, type OriginReader } from '../query/candle-origin.ts';
import type { CollectionProbe } from '../query/series-lookup.ts';
import { readNewestAnswer, type NewestReader } from '../formats/read-newest.ts';
import { findTimeframe, listOffered, listResolutions } from './resolutions.ts';
import { tickerOf, type UdfMarket } from './symbol-info.ts';
import { MAX_RANGE_BARS, type historyAnswer, type historyQuery } from './udf-schema.ts';

/** What bars are read from. */
export type HistoryReader = OriginReader & NewestReader;

/** Milliseconds, open, high, low, close, volume. */
type Bar = readonly [timeMs: number, open: number, high: number, low: number, close: number, volume: number];
type History = z.output<typeof historyAnswer>;

/** The bars of a market that open in [from, to), or the last `countback` of those that open before `to`. */
export async function answerHistory(
  market: UdfMarket,
  { resolution, from, to, countback }: z.output<typeof historyQuery>,
  deps: { readonly ohlcv: HistoryReader; readonly probes: CollectionProbe; readonly now: number },
): Promise<History> {
  const { exchange, symbol, timeframes } = market;
  const { ohlcv, probes, now } = deps;
  const timeframe = findTimeframe(resolution, timeframes);
  if (!timeframe)
    return refuse(
      `Nothing is stored of ${tickerOf(market)} that gives resolution ${resolution}: use ${listResolutions(listOffered(timeframes)).join(', ')}.`,
    );
  if (countback === undefined && from >= to) return refuse('from must lie before to.');
  const series = { exchange, symbol, timeframe };
  const until = to * SECOND_MS;
  const isStored = timeframes.includes(timeframe);
  const origin = isStored ? null : await findOrigin(series, { since: null, until }, ohlcv, probes);
  // One more than the range has room for: where it holds none, the newest before it.
  const slots = Math.ceil(((to - from) * SECOND_MS) / timeframeMs(timeframe)) + 1;
  const page = await readNewestAnswer(ohlcv, {
    series,
    since: null,
    until,
    limit: countback ?? Math.min(slots, MAX_RANGE_BARS + 1),
    shape: 'array',
    numbers: 'float',
    from: origin,
    now,
  });
  const bars = JSON.parse(`[${page.text}]`) as Bar[];
  const start = countback === undefined ? from * SECOND_MS : -Infinity;
  if (bars.length > MAX_RANGE_BARS && (bars[0]?.[0] ?? 0) >= start)
    return refuse(`[from, to) holds more than ${MAX_RANGE_BARS} bars: ask for a shorter range, or with countback.`);
  return { ...answerBars(bars, start), ...tellCompleteness(page, start) };
}

/** From `since` (epoch ms; 0 or less: from where the page begins) on. What lies before what the page speaks of is one gap more. */
function tellCompleteness({ answered, gaps }: CandlePage, since: number): { complete: boolean; gaps: number } {
  const told = gaps.filter((gap) => gap.until > since).length + (since > 0 && since < answered.since ? 1 : 0);
  return { complete: told === 0, gaps: told };
}

/**
 * `bars`: the newest ones before the end of the range, which begins at `since` (epoch ms). Where none of them lies in it
 * the newest is the one that `nextTime` names. The protocol's documentation shows `nextTime` once in seconds (beside
 * `t`, as it is done here, and as the library of 2021 reads it) and once in milliseconds; who sends `countback` never
 * needs it.
 */
function answerBars(bars: readonly Bar[], since: number) {
  const wanted = bars.filter(([timeMs]) => timeMs >= since);
  const newest = bars.at(-1);
  if (wanted.length === 0) return { s: 'no_data' as const, ...(newest ? { nextTime: newest[0] / SECOND_MS } : {}) };
  return {
    s: 'ok' as const,
    t: wanted.map(([timeMs]) => timeMs / SECOND_MS),
    o: wanted.map(([, open]) => open),
    h: wanted.map(([, , high]) => high),
    l: wanted.map(([, , , low]) => low),
    c: wanted.map(([, , , , close]) => close),
    v: wanted.map(([, , , , , volume]) => volume),
  };
}

/** As the protocol refuses. */
export function refuse(errmsg: string) {
  return { s: 'error' as const, errmsg };
}
