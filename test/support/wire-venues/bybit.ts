import type { Request } from '../answering-server.ts';
import { answerAsBybit } from '../bybit-okx-answers.ts';
import { listHours, listTrueCandles } from '../small-exchange.ts';
import { startWireServer, type WireRow, type WireVenue } from '../wire-venue.ts';
import { changeListRow } from './list-row.ts';

interface BybitBody {
  readonly result: { readonly list: WireRow[] };
}

/** Bybit's v5: rows newest first, both ends of a range inside. */
export const BYBIT: WireVenue = {
  id: 'bybit',
  symbol: 'BTC/USDT',
  feeds: ['open_interest', 'funding_rate', 'mark_price'],
  costOf: () => [],
  tellsTime: true,
  start: (now) =>
    startWireServer({
      now,
      isListing: (path) => path.endsWith('/instruments-info'),
      isTime: (path) => path.endsWith('/time'),
      answer: answerAsBybit(now, (request) => answerRows(request, now())),
      listCandles: (since, until) => Promise.resolve(listTrueCandles(since, until, now())),
    }),
  editRows: (json, edit) => {
    const body = json as BybitBody;
    return { ...body, result: { ...body.result, list: edit(body.result.list) } };
  },
  changeRow: changeListRow,
  withoutRows: { retCode: 0, retMsg: 'OK', result: {} },
  tooMany: { json: { retCode: 10006, retMsg: 'Too many visits!', result: {} } },
};

function answerRows({ path, query }: Request, nowMs: number): unknown {
  const [since, last] = [query.get('start') ?? query.get('startTime'), query.get('end') ?? query.get('endTime')];
  const range = [Number(since), Number(last) + 1, nowMs] as const;
  const lists: Record<string, () => WireRow[]> = {
    '/v5/market/kline': () => listTrueCandles(...range).map(([time, ...values]) => [String(time), ...values, '1.5']),
    '/v5/market/mark-price-kline': () =>
      listHours(...range).map((time) => [String(time), '68649.90', '68650', '68000.1', '68123.45']),
    '/v5/market/open-interest': () =>
      listHours(...range).map((time) => ({ openInterest: '2663107.29999999861', timestamp: String(time) })),
    '/v5/market/funding/history': () =>
      listHours(...range, 8).map((time) => ({
        symbol: query.get('symbol'),
        fundingRate: '-0.00046295',
        fundingRateTimestamp: String(time),
      })),
  };
  const rows = lists[path]?.();
  if (!rows) return undefined;
  const list = rows.toReversed().slice(0, Number(query.get('limit')));
  const result = { category: query.get('category'), symbol: query.get('symbol'), list };
  return { retCode: 0, retMsg: 'OK', result, retExtInfo: {}, time: nowMs };
}
