import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { renderRevision } from '../src/db/migrator/revision-template.ts';
import { loadRevisions, REVISIONS_DIR } from '../src/db/migrator/revisions.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const HELP = `Writes the next revision from a template, for a developer of candlekeep.

  npm run db-revision -- [--print] NAME
  make db-revision NAME="add new table"

  NAME     what it does: a verb and an object, such as "add candle ledger"
  --print  write nothing: print the file's path, then its text (make uses it where only a container has the tools)
  --help   this text

Never overwrites a file. Exit codes: 0 written · 1 failed · 2 wrong usage`;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    options: { print: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const name = toFileName(positionals.join(' '));
  const last = (await loadRevisions()).at(-1)?.name ?? '0000';
  const next = Number(last.slice(0, 4)) + 1;
  if (next > 9999) throw new Error('there are 9999 revisions already');
  const stem = `${String(next).padStart(4, '0')}_${name}`;
  if (values.print) {
    console.log(`src/db/migrations/${stem}.ts\n${renderRevision(name)}`.trimEnd());
    return 0;
  }
  const path = join(REVISIONS_DIR, `${stem}.ts`);
  // wx: fails where the file exists, also when another command wrote it a moment ago.
  await writeFile(path, renderRevision(name), { flag: 'wx' });
  console.log(`wrote src/db/migrations/${stem}.ts`);
  console.log('next: fill in what it marks (it is refused until then), npm run schema:write, then make test');
  return 0;
});

function toFileName(text: string): string {
  const name = text
    .trim()
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  if (!/[a-z]/.test(name)) throw new UsageError('give the revision a NAME, such as "add candle ledger"');
  if (name.length > 60) throw new UsageError(`"${name}" is longer than 60 characters`);
  return name;
}
