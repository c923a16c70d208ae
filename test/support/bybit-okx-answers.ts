import type { Answer, Request } from './answering-server.ts';

/** What a test answers a request for rows with: the whole body; undefined for a path that it does not expect. */
export type AnswerRows = (request: Request) => unknown;

/** All answers carry the exchange's time as their Date too. */
const answerAt =
  (nowMs: () => number, body: (request: Request) => unknown) =>
  (request: Request): Answer => {
    const json = body(request);
    const headers = { date: new Date(nowMs()).toUTCString() };
    return json === undefined ? { json: {}, status: 404, headers } : { json, headers };
  };

const bybitSpot = (baseCoin: string, status = 'Trading') => ({
  symbol: `${baseCoin}USDT`,
  baseCoin,
  quoteCoin: 'USDT',
  innovation: '0',
  status,
  marginTrading: 'both',
  lotSizeFilter: { basePrecision: '0.000001', quotePrecision: '0.01', minOrderQty: '0.00001', maxOrderQty: '100' },
  priceFilter: { tickSize: '0.01' },
});

const bybitPerpetual = (baseCoin: string, quoteCoin: string, symbol: string, fundingInterval: number) => ({
  symbol,
  contractType: 'LinearPerpetual',
  status: 'Trading',
  baseCoin,
  quoteCoin,
  settleCoin: quoteCoin,
  launchTime: '1585526400000',
  deliveryTime: '0',
  priceScale: '2',
  leverageFilter: { minLeverage: '1', maxLeverage: '100.00', leverageStep: '0.01' },
  priceFilter: { minPrice: '0.50', maxPrice: '999999.00', tickSize: '0.50' },
  lotSizeFilter: { maxOrderQty: '100.000', minOrderQty: '0.001', qtyStep: '0.001' },
  unifiedMarginTrade: true,
  fundingInterval,
});

/** Bybit's v5: two spot markets, one of which is closed; perpetuals of BTC in two quote currencies. */
export function answerAsBybit(nowMs: () => number, answerRows: AnswerRows) {
  const envelope = (result: unknown) => ({ retCode: 0, retMsg: 'OK', result, retExtInfo: {}, time: nowMs() });
  return answerAt(nowMs, (request) => {
    const { path, query } = request;
    if (path === '/v5/market/time') return envelope({ timeSecond: String(Math.floor(nowMs() / 1000)) });
    if (path !== '/v5/market/instruments-info') return answerRows(request);
    const category = query.get('category');
    const isPreLaunch = query.get('status') === 'PreLaunch';
    const lists: Record<string, unknown[]> = {
      spot: [bybitSpot('BTC'), bybitSpot('LUNA', 'Closed')],
      linear: [bybitPerpetual('BTC', 'USDT', 'BTCUSDT', 480), bybitPerpetual('BTC', 'USDC', 'BTCPERP', 480)],
    };
    return envelope({ category, list: isPreLaunch ? [] : (lists[category ?? ''] ?? []), nextPageCursor: '' });
  });
}

const okxInstrument = (instId: string, instType: string, rest: object) => ({
  alias: '',
  baseCcy: '',
  category: '1',
  ctMult: '',
  ctType: '',
  ctVal: '',
  ctValCcy: '',
  expTime: '',
  instFamily: '',
  instId,
  instType,
  lever: '10',
  listTime: '1548133413000',
  lotSz: '0.00000001',
  minSz: '0.00001',
  optType: '',
  quoteCcy: '',
  settleCcy: '',
  state: 'live',
  stk: '',
  tickSz: '0.1',
  uly: '',
  ...rest,
});

const okxSwap = (instId: string, uly: string, settleCcy: string, ctValCcy: string) =>
  okxInstrument(instId, 'SWAP', {
    ctMult: '1',
    ctType: settleCcy === 'BTC' ? 'inverse' : 'linear',
    ctVal: '0.01',
    ctValCcy,
    instFamily: uly,
    settleCcy,
    uly,
  });

/** OKX's v5: two spot markets, one of which is suspended; the linear and the inverse perpetual of BTC. */
export function answerAsOkx(nowMs: () => number, answerRows: AnswerRows) {
  const envelope = (data: unknown[]) => ({ code: '0', data, msg: '' });
  return answerAt(nowMs, (request) => {
    const { path, query } = request;
    if (path === '/api/v5/public/time') return envelope([{ ts: String(nowMs()) }]);
    if (path !== '/api/v5/public/instruments') return answerRows(request);
    const lists: Record<string, unknown[]> = {
      SPOT: [
        okxInstrument('BTC-USDT', 'SPOT', { baseCcy: 'BTC', quoteCcy: 'USDT' }),
        okxInstrument('LUNA-USDT', 'SPOT', { baseCcy: 'LUNA', quoteCcy: 'USDT', state: 'suspend' }),
      ],
      SWAP: [okxSwap('BTC-USD-SWAP', 'BTC-USD', 'BTC', 'USD'), okxSwap('BTC-USDT-SWAP', 'BTC-USDT', 'USDT', 'BTC')],
    };
    return envelope(lists[query.get('instType') ?? ''] ?? []);
  });
}
