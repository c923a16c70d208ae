import { listKept, listSlots } from './serve-page.ts';
import type { ZooDepth, ZooDialect } from './zoo-dialect.ts';
import { openingOf } from './zoo-grid.ts';
import type { ZooMarket, ZooRow, ZooSpan } from './zoo-market.ts';

/** What is true of one series in a span, for a test to compare rows and ledger with. */
export interface ZooTruth {
  /** Each closed candle that the exchange ever told or will tell, by opening time: no other row may be stored. */
  readonly rows: ReadonlyMap<number, ZooRow>;
  /** Opening times of those that whoever asks well gets at the moment: each must be stored. */
  readonly available: readonly number[];
  /** Opening times of the slots without a candle: only these may be called empty. */
  readonly empty: ReadonlySet<number>;
}

/** No adapter asks for longer pages. */
const LARGEST_ASKED = 1000;

/**
 * The truth of the candles that open in `span` and have ended at `nowMs`. A candle of all zeros is no candle; one that
 * repeats the last price is one, since the exchange says so.
 */
export function findTruth(
  market: ZooMarket,
  timeframe: string,
  dialect: ZooDialect,
  span: ZooSpan,
  nowMs: number,
): ZooTruth {
  const isMeant = ({ openMs, endMs }: ZooRow): boolean => openMs >= span.since && openMs < span.until && endMs <= nowMs;
  const told = (manner: ZooDialect): ZooRow[] =>
    listKept(market, timeframe, manner, nowMs).filter((row) => isMeant(row) && !isZero(row));
  const rows = new Map(told({ ...dialect, depths: {} }).map((row) => [row.openMs, row]));
  const covered = new Set([...rows.values()].map(({ openMs }) => findSlot(openMs, timeframe, dialect)));
  const isAsked = dialect.wrongTimeframes[timeframe] === undefined && !dialect.refusedTimeframes.includes(timeframe);
  return {
    rows,
    available: isAsked ? told(reachOf(dialect)).map(({ openMs }) => openMs) : [],
    empty: new Set(listSlots(timeframe, dialect, span, nowMs).filter((slot) => !covered.has(slot))),
  };
}

/** Where neither end of a range can be said, nobody gets more than the newest page. */
function reachOf(dialect: ZooDialect): ZooDialect {
  const { since, until, cutKeeps, pageLimit } = dialect;
  const isNewestPage = until === 'ignored' && (since === 'ignored' || cutKeeps === 'newest');
  if (!isNewestPage) return dialect;
  const page = { count: Math.min(pageLimit, LARGEST_ASKED), of: 'rows' } as const;
  const depths: Record<string, ZooDepth> = { '*': page };
  for (const [timeframe, depth] of Object.entries(dialect.depths))
    depths[timeframe] = depth.count < page.count ? depth : page;
  return { ...dialect, depths };
}

/** The slot of the grid in which a candle opens. */
function findSlot(openMs: number, timeframe: string, { offGrid, ...dialect }: ZooDialect): number {
  if (offGrid?.timeframe !== timeframe) return openMs;
  const since = offGrid.since + offGrid.shiftMs;
  const until = offGrid.until + offGrid.shiftMs;
  const isShifted = openMs >= since && openMs < until;
  return isShifted ? openingOf(openMs, timeframe, dialect.anchors) : openMs;
}

function isZero({ high, volume }: ZooRow): boolean {
  return Number(high) === 0 && Number(volume) === 0;
}
