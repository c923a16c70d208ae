import { parseArgs } from 'node:util';
import { waitForDatabase } from '../src/db/connectivity.ts';
import { SchemaMigrator } from '../src/db/migrator/schema-migrator.ts';
import type { SchemaStatus } from '../src/db/migrator/schema-status.ts';
import { loadRevisions } from '../src/db/migrator/revisions.ts';
import { describeUnfilled } from '../src/db/migrator/schema-state.ts';
import { messageOf, MigrationError } from '../src/errors.ts';
import { createCommandLogger } from './support/command-logger.ts';
import { describeDeferred } from './support/describe-schema.ts';
import { locateDatabase } from './support/locate-database.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Says where the database's schema stands against this build. Changes nothing and waits for no lock.

  npm run db-status -- [--json]

  --json  the same as JSON
  --help  this text

The database is that of MIGRATION_DATABASE_URL, DATABASE_URL, or the embedded one under DATA_DIR.
Exit codes: 0 at head, complete · 3 at head with deferred steps · 1 behind · 2 newer than this build · 4 cannot tell`;

const EXIT = { complete: 0, behind: 1, newer: 2, deferred: 3, unknown: 4 } as const;

await runCommand(async () => {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  try {
    const status = await readStatus();
    const revisions = (await loadRevisions()).filter(({ name }) => status.pending.includes(name));
    const unfilled = revisions.map(describeUnfilled).filter((text) => text !== null);
    console.log(values.json ? JSON.stringify({ ...status, unfilled }, null, 2) : describe(status, unfilled));
    return EXIT[judge(status)];
  } catch (error) {
    console.error(`cannot tell: ${messageOf(error)}`);
    return EXIT.unknown;
  }
});

async function readStatus(): Promise<SchemaStatus> {
  const logger = createCommandLogger();
  await using located = await locateDatabase(logger);
  const { migrationUrl } = located;
  await waitForDatabase({ url: migrationUrl, timeoutMs: 0, logger });
  // Awaited here, so that an embedded server is not stopped before the answer.
  const migrator = new SchemaMigrator({ url: () => migrationUrl, lockWaitMs: 0, logger });
  const status = await migrator.status();
  // A database that no upgrade would take over is not merely behind: the plan says why.
  if (status.applied.length === 0)
    await migrator.plan({}).catch((error: unknown) => {
      // Told with the rest of the status.
      if (!(error instanceof MigrationError && error.code === 'REVISION_UNFILLED')) throw error;
    });
  return status;
}

function judge(status: SchemaStatus): keyof typeof EXIT {
  if (status.pending.length > 0) return 'behind';
  if (status.unknown.length > 0) return 'newer';
  return status.deferred.length > 0 ? 'deferred' : 'complete';
}

function describe(status: SchemaStatus, unfilled: readonly string[]): string {
  const { version, head, pending, unknown, deferred, timescaledb } = status;
  const verdicts = {
    complete: 'at head, complete',
    deferred: `at head with ${deferred.length} deferred ${deferred.length === 1 ? 'step' : 'steps'}`,
    behind: `behind by ${pending.length} ${pending.length === 1 ? 'revision' : 'revisions'}: ${unfilled[0] ?? 'make db-upgrade'}`,
    newer: 'newer than this build: upgrade candlekeep',
    unknown: '',
  };
  return [
    `schema:      ${version ?? 'no revision'} (head: ${head})`,
    `state:       ${verdicts[judge(status)]}`,
    `timescaledb: ${timescaledb ?? 'none'}`,
    ...(pending.length > 0 ? [`pending:     ${pending.join(', ')}`] : []),
    ...unfilled.slice(1).map((text) => `unfilled:    ${text}`),
    ...(unknown.length > 0 ? [`unknown:     ${unknown.join(', ')}`] : []),
    ...describeDeferred(deferred),
  ].join('\n');
}
