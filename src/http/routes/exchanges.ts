import { z } from 'zod';
import { exchangeState } from '../../market/service-state.ts';
import { timeframeMs } from '../../market/timeframe.ts';
import type { HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute } from '../protocol/route-schema.ts';
import type { BoundsReader } from '../query/series-lookup.ts';

export interface ExchangesRoutesDeps {
  readonly open: OpenReaders<{ readonly ohlcv: BoundsReader }>;
  readonly probes: Pick<HealthProbes, 'completeness' | 'ingestSeries'>;
}

const exchangeAnswer = z
  .object({
    id: z.string().describe("ccxt's id."),
    state: z
      .enum(['up', 'down', 'refused', 'stored'])
      .describe('`down`: it does not answer, or asked us to wait; `stored`: nothing is collected from it here.'),
    timeframes: z.array(z.string()).describe('Those with a stored candle, shortest first.'),
    markets: z.array(z.string()).describe('Those with a stored candle, or that are collected.'),
    candle_limit: z.int().nullable().describe('How many candles one request to it answers; null where not known here.'),
    stream: exchangeState.shape.stream,
    block: exchangeState.shape.block,
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Exchange' });

const exchangesSchema = describeRoute(
  { id: 'listExchanges', chapter: 'Data', access: 'data', summary: 'The exchanges that are collected or stored' },
  { querystring: z.strictObject({}) },
  z.object({ data: z.array(exchangeAnswer) }),
);

/** `GET /v1/exchanges`: every exchange that is collected, or of which candles are stored, by id. */
export function registerExchangesRoutes(app: HttpApp, { open, probes }: ExchangesRoutesDeps): void {
  app.get('/v1/exchanges', { schema: exchangesSchema }, async (_request, reply) => {
    const stored = await open(reply).ohlcv.listBounds();
    const collected = probes.ingestSeries().filter(({ state }) => state !== 'refused');
    const states = new Map(probes.completeness.exchanges().map((state) => [state.exchange, state]));
    const ids = new Set([...stored.map(({ exchange }) => exchange), ...states.keys()]);
    return {
      data: [...ids].toSorted().map((id) => {
        const state = states.get(id);
        const mine = stored.filter(({ exchange }) => exchange === id);
        const others = collected.filter(({ exchange }) => exchange === id);
        return {
          id,
          state: state?.state ?? ('stored' as const),
          timeframes: [...new Set(mine.map(({ timeframe }) => timeframe))].sort(
            (a, b) => timeframeMs(a) - timeframeMs(b),
          ),
          markets: [...new Set([...mine, ...others].map(({ symbol }) => symbol))].sort(),
          candle_limit: state?.candle_limit ?? null,
          stream: state?.stream ?? null,
          block: state?.block ?? null,
          last_error: state?.last_error ?? null,
        };
      }),
    };
  });
}
