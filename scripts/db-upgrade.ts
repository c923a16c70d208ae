import { parseArgs } from 'node:util';
import { waitForDatabase } from '../src/db/connectivity.ts';
import { findRuntimeRole, SchemaMigrator } from '../src/db/migrator/schema-migrator.ts';
import type { UpgradePlan, UpgradeResult } from '../src/db/migrator/schema-status.ts';
import { createCommandLogger } from './support/command-logger.ts';
import { describeDeferred } from './support/describe-schema.ts';
import { locateDatabase } from './support/locate-database.ts';
import { readLockWaitMs } from './support/lock-wait.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Brings the database's schema to head, or to a revision, as the service does when it boots.

  npm run db-upgrade -- [--to REVISION] [--convert-large-tables] [--dry-run] [--json]
  make db-upgrade [REV=REVISION]

  --to                    head (default), a revision's name such as 0003_futures_data, or its number such as 0003
  --convert-large-tables  also make hypertables of large plain tables, which nobody can read or write meanwhile
  --dry-run               show what would be done; change nothing
  --json                  the same as JSON
  --help                  this text

The database is that of MIGRATION_DATABASE_URL, DATABASE_URL, or the embedded one under DATA_DIR.
Another process that is migrating is waited for, up to MIGRATION_LOCK_WAIT_S (default 600).
Exit codes: 0 done · 1 failed (what was not finished was rolled back) · 2 wrong usage`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      to: { type: 'string', default: 'head' },
      'convert-large-tables': { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const convertLargeTables = values['convert-large-tables'];
  const to = values.to.trim() === '' ? 'head' : values.to.trim();
  const logger = createCommandLogger();
  await using located = await locateDatabase(logger, { create: !values['dry-run'] });
  const { url, migrationUrl } = located;
  await waitForDatabase({ url: migrationUrl, timeoutMs: 10_000, logger });
  const migrator = new SchemaMigrator({
    url: () => migrationUrl,
    runtimeRole: findRuntimeRole(url, migrationUrl),
    lockWaitMs: readLockWaitMs(),
    logger,
  });
  if (values['dry-run']) {
    const plan = await migrator.plan({ to, convertLargeTables });
    console.log(values.json ? JSON.stringify(plan, null, 2) : describePlan(plan));
    return 0;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () =>
      interrupted.abort(new Error(`stopped by ${signal}: the revision under way was rolled back`)),
    );
  const result = await migrator.upgrade({
    to,
    convertLargeTables,
    actor: 'cli',
    signal: interrupted.signal,
    onProgress: ({ revision, index, total }) => {
      if (!values.json) console.log(`revision ${index} of ${total}: ${revision}`);
    },
  });
  console.log(values.json ? JSON.stringify(result, null, 2) : describeResult(result));
  return 0;
});

function describePlan({ version, target, revisions, steps }: UpgradePlan): string {
  return [
    `now at ${version ?? 'no revision'}, target ${target}`,
    revisions.length === 0 ? 'no revision would run' : `would run: ${revisions.join(', ')}`,
    ...steps.map(
      ({ step, action, reason }) =>
        `step ${step}: ${action === 'apply' ? 'would be applied' : `deferred, ${reason ?? ''}`}`,
    ),
  ].join('\n');
}

function describeResult({ applied, steps_applied, deferred, version, head }: UpgradeResult): string {
  const lines = applied.flatMap(({ revision, duration_ms, notices }) => [
    `applied ${revision} in ${duration_ms} ms`,
    ...notices.map((notice) => `  ${notice}`),
  ]);
  if (applied.length === 0) lines.push('nothing to run');
  for (const step of steps_applied) lines.push(`applied the deferred step ${step}`);
  lines.push(`the schema is at ${version ?? 'no revision'}${version === head ? ' (head)' : `; head is ${head}`}`);
  return [...lines, ...describeDeferred(deferred)].join('\n');
}
