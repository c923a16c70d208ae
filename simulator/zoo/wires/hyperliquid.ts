import { PLAIN } from '../zoo-dialect.ts';
import { THURSDAY_MS } from '../zoo-grid.ts';
import { json, readTimeframe, splitSymbol, type ZooVenue, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = Object.fromEntries(
  ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '8h', '12h', '1d', '3d', '1w'].map((each) => [each, each]),
);

interface InfoRequest {
  readonly type?: string;
  readonly req?: {
    readonly coin?: string;
    readonly interval?: string;
    readonly startTime?: number;
    readonly endTime?: number;
  };
}

/**
 * Hyperliquid keeps the newest 5,000 candles of each timeframe: a range that is older is answered with `[]`. All requests
 * are POST. https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#candle-snapshot
 */
export const hyperliquid: ZooWire = {
  id: 'hyperliquid',
  quote: 'USDC',
  values: 'strings',
  dialect: {
    ...PLAIN,
    pageLimit: 5000,
    cutKeeps: 'newest',
    depths: { '*': { count: 5000, of: 'rows' } },
    anchors: { dayMs: 0, weekMs: THURSDAY_MS },
  },
  toId: (symbol) => symbol,
  errorBody: { status: 'err', response: 'Internal error' },
  refusal: json({ error: 'Failed to deserialize the JSON body into the target type' }),
  answer({ path, body }, venue) {
    if (path !== '/info') return undefined;
    const { type, req = {} } = body as InfoRequest;
    switch (type) {
      case 'exchangeStatus':
        return json({ specialStatuses: null, time: venue.nowMs });
      case 'spotMeta':
        return json(describeSpot(venue));
      case 'spotMetaAndAssetCtxs':
        return json([describeSpot(venue), venue.markets.map(() => ({ midPx: '1000.0', markPx: '1000.0' }))]);
      case 'metaAndAssetCtxs':
        return json([{ universe: [], marginTables: [], collateralToken: 0 }, []]);
      case 'perpDexs':
        return json([null]);
      case 'candleSnapshot':
        return {
          kind: 'candles',
          market: venue.find(req.coin ?? ''),
          timeframe: readTimeframe(TIMEFRAMES, req.interval ?? null),
          since: req.startTime ?? null,
          until: req.endTime ?? null,
          limit: null,
          write: (rows, { value, hasClosingTime }) =>
            rows.map(({ openMs, endMs, open, close, high, low, volume }) => ({
              t: openMs,
              ...(hasClosingTime ? { T: endMs - 1 } : {}),
              s: req.coin,
              i: req.interval,
              o: value(open),
              c: value(close),
              h: value(high),
              l: value(low),
              v: value(volume),
              n: 1,
            })),
        };
      default:
        return undefined;
    }
  },
};

/** Tokens by index: the quote currency first. */
function describeSpot({ markets }: ZooVenue) {
  const token = (name: string, index: number) => ({ name, szDecimals: 4, weiDecimals: 8, index, isCanonical: true });
  const bases = markets.map(({ symbol }) => splitSymbol(symbol)[0]);
  return {
    tokens: ['USDC', ...bases].map(token),
    universe: markets.map(({ symbol }, index) => ({
      name: hyperliquid.toId(symbol),
      tokens: [index + 1, 0],
      index,
      isCanonical: true,
    })),
  };
}
