import type { Kysely } from 'kysely';
import { uniquePredictionOutcomes } from '../migrator/steps/unique-prediction-outcomes.ts';
import { raiseNotice } from '../migrator/raise-notice.ts';

/**
 * UNIQUE (prediction_id) on prediction_outcomes where no duplicates stand in the way. Where they do, the step stays due
 * and is tried again at every boot and upgrade: the predecessor recorded such a skip as done, so that mending the data
 * and upgrading again did nothing.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const state = await uniquePredictionOutcomes.probe(db);
  if (state.state === 'ready') await uniquePredictionOutcomes.apply(db);
  if (state.state === 'blocked') await raiseNotice(db, `${state.reason}: the constraint is deferred`);
}
