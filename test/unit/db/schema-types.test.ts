import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Insertable, Selectable, Updateable } from 'kysely';
import type {
  CoverageTable,
  Database,
  FuturesDataTable,
  OhlcvDataTable,
  QuarantineTable,
} from '../../../src/db/schema.ts';
import type { Decimal } from '../../../src/market/decimal.ts';

/** Each can stand for the other, so that optional fields are no required ones. */
type Same<A, B> = [A, B] extends [B, A] ? true : false;
type Plain<T> = { [K in keyof T]: T[K] };

/** Judged by the type check; the test only keeps them. */
const judged: Record<string, true> = {
  'a table is read with its exact digits, its ids as text and its moments as dates': true satisfies Same<
    Plain<Selectable<OhlcvDataTable>>,
    {
      id: string;
      exchange: string;
      symbol: string;
      timeframe: string;
      timestamp: Date;
      open: Decimal;
      high: Decimal;
      low: Decimal;
      close: Decimal;
      volume: Decimal;
      created_at: Date | null;
    }
  >,
  'what may be NULL says so': true satisfies Same<Selectable<FuturesDataTable>['mark_price'], Decimal | null>,
  'what has a default, and what may be NULL, need not be written': true satisfies Same<
    Plain<Insertable<CoverageTable>>,
    {
      exchange: string;
      symbol: string;
      timeframe: string;
      metric: string;
      since: Date | string;
      until: Date | string;
      state: string;
      asks?: number | undefined;
      first_asked_at?: Date | string | null;
      last_asked_at?: Date | string | null;
      reason?: string | null;
    }
  >,
  'what identifies a row is never changed': true satisfies Same<
    Extract<keyof Updateable<CoverageTable>, 'exchange' | 'since' | 'until' | 'state'>,
    'until' | 'state'
  >,
  'what is always generated is never written': true satisfies Same<
    Extract<keyof Insertable<QuarantineTable>, 'id' | 'raw'>,
    'raw'
  >,
  'a view knows what its table knows of NULL': true satisfies Same<
    Plain<Selectable<Database['recent_ohlcv']>>,
    Plain<Selectable<OhlcvDataTable> & { always_null: boolean | null }>
  >,
  'no column is of a type that nobody reads': true satisfies Same<
    { [Name in keyof Database]: Exclude<keyof Database[Name], keyof Selectable<Database[Name]>> }[keyof Database],
    never
  >,
};

describe('the row types of the snapshot', () => {
  it('are those that the driver gives and takes', () => {
    assert.ok(Object.values(judged).every(Boolean));
  });
});
