import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { execute } from './postgres.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A revision that runs until `letGo` is called for its database, or for ten minutes. */
export const HELD_REVISION = {
  '0900_wait_to_be_let_go': `
    do $$ begin
      for attempt in 1..12000 loop
        exit when exists (select from pg_class where relname = 'let_go');
        perform pg_sleep(0.05);
      end loop;
    end $$`,
};

export async function letGo(url: string): Promise<void> {
  await execute(url, 'create table let_go ()');
}

/** Another build of the service: the same tree with further revisions, in a temporary folder. */
export class BuildCopy implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** `revisions`: statements by the revision's name. */
  static async create(revisions: Readonly<Record<string, string>>): Promise<BuildCopy> {
    const folder = await mkdtemp(join(tmpdir(), 'candlekeep-build-'));
    for (const name of ['src', 'scripts', 'package.json'])
      await cp(join(ROOT, name), join(folder, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    for (const [name, statement] of Object.entries(revisions))
      await writeFile(
        join(folder, 'src/db/migrations', `${name}.ts`),
        `import { sql } from 'kysely';\nexport async function up(db) {\n  await sql.raw(${JSON.stringify(statement)}).execute(db);\n}\n`,
      );
    return new BuildCopy(folder);
  }

  /** A file of this build as `startService` wants it: relative to the repository. */
  script(path: string): string {
    return relative(ROOT, join(this.#folder, path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
