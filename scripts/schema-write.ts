import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { makeSchemaSnapshot } from './support/make-schema-snapshot.ts';
import { renderSchemaSnapshot, SNAPSHOT_FILE } from './support/render-schema-snapshot.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Writes src/db/schema-snapshot.ts from an empty database that all revisions have run on, for a developer of
candlekeep: after a revision was written, and before it is used in a query.

  npm run schema:write

  --help  this text

TEST_PG_URL: use this server (its role must be allowed to create databases); otherwise one is started, and goes again.
Exit codes: 0 written, or as it was · 1 failed · 2 wrong usage`;

await runCommand(async () => {
  const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const source = await renderSchemaSnapshot(await makeSchemaSnapshot());
  const isStale = source !== (await readFile(SNAPSHOT_FILE, 'utf8').catch(() => ''));
  if (isStale) await writeFile(SNAPSHOT_FILE, source);
  console.log(`${isStale ? 'wrote' : 'nothing new for'} src/db/schema-snapshot.ts`);
  return 0;
});
