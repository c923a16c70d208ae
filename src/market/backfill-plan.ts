import { z } from 'zod';
import { moment } from './moment-schema.ts';

const totals = {
  series: z.int().describe('Series and futures feeds with something to fetch.'),
  /** Hourly values of futures data; of funding settlements, one for eight hours. */
  slots: z.int().describe('Candles and futures values that are missing.'),
  requests: z.int(),
  minutes: z
    .number()
    .nullable()
    .describe("How long the exchange's allowances make it last; null where they are not known."),
  rows: z.int().describe('Rows that the database grows by.'),
  bytes: z.number(),
};

/**
 * What a backfill of the configured markets would cost now, at most: markets listed later than the window's start cost
 * less.
 */
export const backfillPlan = z
  .object({
    since: moment,
    until: moment,
    total: z.object(totals),
    exchanges: z
      .array(
        z.object({
          exchange: z.string(),
          ...totals,
          /** What each of its counters is charged. */
          allowances: z
            .array(
              z.object({
                name: z.string(),
                limit: z.number(),
                window_seconds: z.number(),
                weight: z.number(),
                minutes: z.number(),
              }),
            )
            .readonly(),
          /** All series of one timeframe, or all of one futures feed. */
          lines: z
            .array(
              z.object({
                metric: z.string(),
                timeframe: z.string(),
                series: z.int(),
                slots: z.int(),
                requests: z.int(),
              }),
            )
            .readonly(),
        }),
      )
      .readonly(),
    left_out: z.array(z.string()).readonly().describe('What could not be planned, and why.'),
  })
  .meta({ id: 'BackfillPlan' });

export type BackfillPlan = Readonly<z.output<typeof backfillPlan>>;
