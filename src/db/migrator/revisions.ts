import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type { Migration } from 'kysely/migration';
import { MigrationError } from '../../errors.ts';
import { listUnfilledLines } from './revision-template.ts';

/** A revision of this build: a file of src/db/migrations. */
export interface Revision {
  /** The file's stem, such as `0001_initial_schema`. */
  readonly name: string;
  readonly migration: Migration;
  /** SHA-256 of the source, in hexadecimal; line ends do not count. */
  readonly checksum: string;
  /** False: it takes its own transactions, step by step, and survives being cut off anywhere. */
  readonly transaction: boolean;
  /** Lines of its source in which the template's text still stands; a revision with any must not run. */
  readonly unfilledLines: readonly number[];
}

/** Lower case and digits only, so that every collation sorts them alike. */
const REVISION_FILE = /^(\d{4}_[a-z0-9]+(?:_[a-z0-9]+)*)\.ts$/;

export const REVISIONS_DIR = fileURLToPath(new URL('../migrations', import.meta.url));

/**
 * Reads the revisions of a folder, oldest first.
 *
 * @throws MigrationError where a file is no revision or two share a number.
 */
export async function loadRevisions(folder: string = REVISIONS_DIR): Promise<Revision[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts')).sort();
  const revisions = await Promise.all(files.map((file) => loadRevision(folder, file)));
  const numbers = revisions.map((revision) => revision.name.slice(0, 4));
  const twice = numbers.find((number, index) => numbers.indexOf(number) !== index);
  if (twice !== undefined)
    throw new MigrationError(`two revisions have the number ${twice}: renumber the newer one`, { revision: null });
  return revisions;
}

async function loadRevision(folder: string, file: string): Promise<Revision> {
  const name = REVISION_FILE.exec(file)?.[1];
  if (name === undefined)
    throw new MigrationError(`${file} is not named like a revision: use NNNN_verb_object.ts in lower case`, {
      revision: null,
    });
  const module = (await import(pathToFileURL(join(folder, file)).href)) as Record<string, unknown>;
  const source = await readFile(join(folder, file), 'utf8');
  const { up, down, transaction } = module;
  if (typeof up !== 'function')
    throw new MigrationError(`the revision ${name} exports no function "up"`, { revision: name });
  return {
    name,
    transaction: transaction !== false,
    unfilledLines: listUnfilledLines(source),
    checksum: createHash('sha256').update(source.replaceAll('\r\n', '\n')).digest('hex'),
    migration: {
      up: up as Migration['up'],
      ...(typeof down === 'function' ? { down: down as NonNullable<Migration['down']> } : {}),
    },
  };
}
