import { parseArgs } from 'node:util';
import { waitForDatabase } from '../src/db/connectivity.ts';
import { SchemaMigrator } from '../src/db/migrator/schema-migrator.ts';
import { createCommandLogger } from './support/command-logger.ts';
import { locateDatabase } from './support/locate-database.ts';
import { readLockWaitMs } from './support/lock-wait.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const HELP = `Takes the database's schema back to an older revision. Nothing else ever goes down: not the boot, not an upgrade.

  npm run db-downgrade -- --to REVISION --yes

  --to    the revision to end at: a name such as 0006_ascending_time_indexes, or its number such as 0006
  --yes   do it; without it nothing happens
  --help  this text

Refused, before anything is changed, where a revision on the way has no way back. The next boot of this build goes up again.
Exit codes: 0 done · 1 refused or failed · 2 wrong usage`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      to: { type: 'string' },
      yes: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const to = values.to?.trim() ?? '';
  if (to === '' || to === 'head') throw new UsageError('name the revision to go back to: --to 0006');
  if (!values.yes) throw new UsageError('going back can lose what newer revisions added: add --yes');
  const logger = createCommandLogger();
  await using located = await locateDatabase(logger);
  const { migrationUrl } = located;
  await waitForDatabase({ url: migrationUrl, timeoutMs: 10_000, logger });
  const migrator = new SchemaMigrator({ url: () => migrationUrl, lockWaitMs: readLockWaitMs(), logger });
  const undone = await migrator.downgrade({ to, actor: 'cli' });
  for (const name of undone) console.log(`undone ${name}`);
  if (undone.length === 0) console.log('nothing to undo');
  return 0;
});
