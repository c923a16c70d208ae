import { sql } from 'kysely';
import { relationExists, type AnyKysely } from './catalog.ts';

/** What stands in the way of UNIQUE (prediction_id): the fixer deletes exactly what the deferrable step counts. */
const SURPLUS = sql`
  select id, prediction_id, actual_outcome, completed_at from (
    select id, prediction_id, actual_outcome, completed_at,
      row_number() over (partition by prediction_id order by completed_at desc nulls last, id desc) as place
    from prediction_outcomes where prediction_id is not null
  ) ranked where place > 1`;

/** An outcome that a newer outcome of the same prediction supersedes. */
export interface SurplusOutcome {
  readonly id: string;
  readonly prediction_id: string;
  readonly actual_outcome: number | null;
  readonly completed_at: Date | null;
}

/** How many outcomes would have to go so that each prediction has one, and of how many predictions. */
export async function countSurplusOutcomes(db: AnyKysely): Promise<{ outcomes: number; predictions: number }> {
  if (!(await relationExists(db, 'prediction_outcomes'))) return { outcomes: 0, predictions: 0 };
  const { rows } = await sql<{ outcomes: number; predictions: number }>`
    select count(*)::int as outcomes, count(distinct prediction_id)::int as predictions from (${SURPLUS}) surplus`.execute(
    db,
  );
  return rows[0] ?? { outcomes: 0, predictions: 0 };
}

/** The first `limit` outcomes that would go, by prediction. */
export async function listSurplusOutcomes(db: AnyKysely, limit: number): Promise<SurplusOutcome[]> {
  const { rows } = await sql<SurplusOutcome>`${SURPLUS} order by prediction_id, id limit ${limit}`.execute(db);
  return rows;
}

/**
 * Deletes all but the newest outcome of each prediction (by completed_at, then id) in one transaction that keeps
 * writers out, so that what is counted is what is deleted.
 *
 * @returns how many rows were deleted.
 */
export async function deleteSurplusOutcomes(db: AnyKysely): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await sql`lock table prediction_outcomes in share row exclusive mode`.execute(trx);
    const { numAffectedRows } = await sql`
      delete from prediction_outcomes where id in (select id from (${SURPLUS}) surplus)`.execute(trx);
    return Number(numAffectedRows ?? 0n);
  });
}
