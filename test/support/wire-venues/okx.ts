import type { Request } from '../answering-server.ts';
import { answerAsOkx } from '../bybit-okx-answers.ts';
import { listHours, listTrueCandles } from '../small-exchange.ts';
import { startWireServer, type WireRow, type WireVenue } from '../wire-venue.ts';
import { changeListRow } from './list-row.ts';

const HOUR = 3_600_000;

/** OKX's v5: rows newest first, neither end of a range inside; candles say whether they are complete. */
export const OKX: WireVenue = {
  id: 'okx',
  symbol: 'BTC/USDT',
  feeds: ['open_interest', 'funding_rate', 'mark_price'],
  costOf: () => [],
  tellsTime: true,
  start: (now) =>
    startWireServer({
      now,
      isListing: (path) => path.endsWith('/instruments'),
      isTime: (path) => path.endsWith('/time'),
      answer: answerAsOkx(now, (request) => answerRows(request, now())),
      listCandles: (since, until) => Promise.resolve(listTrueCandles(since, until, now())),
    }),
  editRows: (json, edit) => ({ ...(json as object), data: edit((json as { data: WireRow[] }).data) }),
  changeRow: changeListRow,
  withoutRows: { code: '0', msg: '' },
  tooMany: { json: { code: '50011', msg: 'Too Many Requests', data: [] } },
};

function answerRows({ path, query }: Request, nowMs: number): unknown {
  const [later, earlier] = [query.get('before') ?? query.get('begin'), query.get('after') ?? query.get('end')];
  const range = [Number(later) + 1, Number(earlier), nowMs] as const;
  const isComplete = (time: number) => (time + HOUR <= nowMs ? '1' : '0');
  const lists: Record<string, () => WireRow[]> = {
    candles: () => listTrueCandles(...range).map(([time, ...v]) => [String(time), ...v, '1', '1', isComplete(time)]),
    'mark-price-candles': () =>
      listHours(...range).map((time) => [String(time), '68649.90', '68650', '68000.1', '68123.45', isComplete(time)]),
    'open-interest-history': () => listHours(...range).map((time) => [String(time), '100', '1.000000000001', '42000']),
    'funding-rate-history': () =>
      listHours(...range, 8).map((time) => ({
        instId: query.get('instId'),
        fundingRate: '9',
        realizedRate: '-0.00046295',
        fundingTime: String(time),
      })),
  };
  const call =
    path
      .split('/')
      .at(-1)
      ?.replace(/^history-/, '') ?? '';
  const rows = lists[call]?.();
  return rows && { code: '0', msg: '', data: rows.toReversed().slice(0, Number(query.get('limit'))) };
}
