import { createHash } from 'node:crypto';
import { glob, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Client } from 'pg';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { createTestDatabase, testServerUrl, urlWith, type TestDatabase } from './postgres.ts';

const SRC = resolve(import.meta.dirname, '../../src');
/** Of the advisory lock on the server's own database: "tmpl". */
const TEMPLATE_LOCK_CLASS = 0x746d706c;

const templates = new Map<string, Promise<string>>();

/**
 * A fresh database at head: a copy of the one that the production migrator made on this server, once for all processes
 * and runs with these sources. `server`: a URL whose role may create databases; default: the test server.
 */
export async function createMigratedDatabase(options: { server?: string } = {}): Promise<TestDatabase> {
  const server = options.server ?? (await testServerUrl());
  const template = templates.get(server) ?? makeTemplate(server);
  templates.set(server, template);
  return await createTestDatabase({ server, template: await template });
}

/**
 * The name of a migrated database that is marked as a template, made where it is missing; other processes wait meanwhile.
 * It stays on a server that outlives the run, under a name that other sources do not give.
 */
async function makeTemplate(server: string): Promise<string> {
  const name = `candlekeep_template_${await digestSources()}`;
  const client = new Client({ connectionString: server, application_name: 'test template' });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1, hashtext($2))', [TEMPLATE_LOCK_CLASS, name]);
    const { rows } = await client.query<{ datistemplate: boolean }>(
      'select datistemplate from pg_database where datname = $1',
      [name],
    );
    if (rows[0]?.datistemplate === true) return name;
    // What is no template yet was left by a process that died while it made it.
    await client.query(`drop database if exists ${name} with (force)`);
    await client.query(`create database ${name}`);
    await runMigrations(urlWith(server, { pathname: `/${name}` }), { actor: 'test' });
    // Closed to everyone, background workers of TimescaleDB included: a copy needs the original for itself.
    await client.query(`alter database ${name} with allow_connections false`);
    await client.query('select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1', [name]);
    await client.query(`alter database ${name} with is_template true`);
    return name;
  } finally {
    // Gives the lock back too.
    await client.end();
  }
}

/** Of everything that a migration may be made of. */
async function digestSources(): Promise<string> {
  const files: string[] = [];
  for await (const file of glob('{db,market}/**/*.ts', { cwd: SRC })) files.push(file);
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(`${file}\n`).update(await readFile(resolve(SRC, file)));
  return hash.digest('hex').slice(0, 16);
}
