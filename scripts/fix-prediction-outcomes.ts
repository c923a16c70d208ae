import { parseArgs } from 'node:util';
import {
  countSurplusOutcomes,
  deleteSurplusOutcomes,
  listSurplusOutcomes,
} from '../src/db/prediction-outcome-duplicates.ts';
import { openDatabase } from './support/open-database.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Removes surplus rows of prediction_outcomes: of each prediction the newest outcome stays (by completed_at,
then id). They stand in the way of UNIQUE (prediction_id), which the next upgrade then adds.

  npm run fix-prediction-outcomes -- [--yes]
  make fix-prediction-outcomes [YES=1]

  --yes   delete them, in one transaction; without it they are only shown
  --help  this text

Exit codes: 0 nothing surplus, or deleted · 3 surplus rows were shown and are still there · 1 failed · 2 wrong usage`;

const SHOWN = 20;

await runCommand(async () => {
  const { values } = parseArgs({
    options: { yes: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const database = await openDatabase({ as: 'owner' });
  const { kysely } = database;
  try {
    const { outcomes, predictions } = await countSurplusOutcomes(kysely);
    if (outcomes === 0) {
      console.log('no prediction has more than one outcome: nothing to do');
      return 0;
    }
    if (values.yes) {
      const deleted = await deleteSurplusOutcomes(kysely);
      console.log(`deleted ${deleted} surplus outcomes of ${predictions} predictions; now run: make db-upgrade`);
      return 0;
    }
    console.log(`${outcomes} surplus outcomes of ${predictions} predictions would be deleted:`);
    for (const row of await listSurplusOutcomes(kysely, SHOWN))
      console.log(
        `  id ${row.id}: prediction ${row.prediction_id}, outcome ${row.actual_outcome ?? 'null'}, completed ${row.completed_at?.toISOString() ?? 'never'}`,
      );
    if (outcomes > SHOWN) console.log(`  … and ${outcomes - SHOWN} more`);
    console.log('nothing was changed; to delete them: make fix-prediction-outcomes YES=1');
    return 3;
  } finally {
    await database.close();
  }
});
