import { sql, type Kysely } from 'kysely';
import type { CoverageKey, CoverageRange } from '../../market/coverage.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database } from '../schema.ts';

/** A range of one series and metric that is stored now. */
interface StoredRange {
  readonly key: CoverageKey;
  readonly range: CoverageRange;
}

/**
 * Makes one range of each key `have` where that takes one look to the left and one to the right: it goes on where a
 * `have` ends, is known already, or stands alone. One statement for any number of keys, in the transaction that has
 * their locks; each key once.
 *
 * @returns the others, untouched: they change what other ranges say, or join two.
 */
export async function extendPlainly(
  transaction: Kysely<Database>,
  parts: readonly StoredRange[],
): Promise<StoredRange[]> {
  if (parts.length === 0) return [];
  const column = (name: keyof CoverageKey) => parts.map(({ key }) => key[name]);
  const times = (name: keyof TimeRange) => parts.map(({ range }) => new Date(range[name]).toISOString());
  const isOfSameKey = (a: string, b: string) =>
    sql.raw(['exchange', 'symbol', 'timeframe', 'metric'].map((name) => `${a}.${name} = ${b}.${name}`).join(' and '));
  const { rows } = await sql<{ index: number }>`
    with wanted as (
      select * from unnest(${column('exchange')}::text[], ${column('symbol')}::text[], ${column('timeframe')}::text[],
        ${column('metric')}::text[], ${times('since')}::timestamptz[], ${times('until')}::timestamptz[])
        with ordinality as w (exchange, symbol, timeframe, metric, since, until, index)
    ), judged as materialized (
      select w.*, left_hand.since as left_since, case
        when left_hand.state = 'have' and left_hand.until >= w.until then 'known'
        when right_hand.since <= w.until then 'other'
        when left_hand.since is null or left_hand.until < w.since then 'alone'
        when left_hand.state = 'have' then 'longer'
        when left_hand.until = w.since then 'alone'
        else 'other' end as verdict
      from wanted w
      left join lateral (
        select since, until, state from coverage c
        where ${isOfSameKey('c', 'w')} and c.since <= w.since order by c.since desc limit 1
      ) as left_hand on true
      left join lateral (
        select since from coverage c
        where ${isOfSameKey('c', 'w')} and c.since > w.since order by c.since limit 1
      ) as right_hand on true
    ), longer as (
      update coverage c set until = j.until from judged j
      where j.verdict = 'longer' and ${isOfSameKey('c', 'j')} and c.since = j.left_since
    ), alone as (
      insert into coverage (exchange, symbol, timeframe, metric, since, until, state)
      select exchange, symbol, timeframe, metric, since, until, 'have' from judged where verdict = 'alone'
    )
    select index::int from judged where verdict = 'other' order by index`.execute(transaction);
  return rows.map((row) => parts[row.index - 1]).filter((part) => part !== undefined);
}
