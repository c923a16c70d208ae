import { sql } from 'kysely';
import { findKey } from '../../catalog.ts';
import { countSurplusOutcomes } from '../../prediction-outcome-duplicates.ts';
import { findOwnershipBlock, type DeferrableStep } from './deferrable-step.ts';

const KEY = { table: 'prediction_outcomes', columns: ['prediction_id'] } as const;

/** UNIQUE (prediction_id) on prediction_outcomes: one outcome for each prediction. */
export const uniquePredictionOutcomes: DeferrableStep = {
  name: 'unique_prediction_outcomes',
  revision: '0002_unique_prediction_outcomes',
  ownSession: false,
  makesKey: KEY,

  async probe(db) {
    if (await findKey(db, KEY.table, 'u', KEY.columns)) return { state: 'applied' };
    const { outcomes, predictions } = await countSurplusOutcomes(db);
    if (outcomes > 0)
      return {
        state: 'blocked',
        reason: `prediction_outcomes holds ${outcomes} surplus ${outcomes === 1 ? 'row' : 'rows'} for ${predictions} ${predictions === 1 ? 'prediction' : 'predictions'} with more than one outcome`,
        remedy:
          'make fix-prediction-outcomes (shows what it would delete, then again with YES=1), then make db-upgrade',
        isRemedyNeeded: true,
      };
    return (await findOwnershipBlock(db, 'prediction_outcomes')) ?? { state: 'ready' };
  },

  async apply(db) {
    await sql`
      alter table prediction_outcomes
      add constraint prediction_outcomes_prediction_id_key unique (prediction_id)`.execute(db);
  },
};
