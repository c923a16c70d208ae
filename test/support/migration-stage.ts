import assert from 'node:assert/strict';
import { Client } from 'pg';
import { ADVISORY_LOCKS } from '../../src/db/advisory-locks.ts';
import { loadRevisions } from '../../src/db/migrator/revisions.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { MachineWatch } from './machine-watch.ts';
import { waitUntil } from './patience.ts';
import { createTestDatabase, execute, type TestDatabase } from './postgres.ts';
import { dumpSchema, listHypertables } from './schema-dump.ts';
import { fingerprintRows, START_STATES } from './start-states.ts';

/** Nothing is collected in these tests: the exchange's port is closed. */
export const NO_EXCHANGE = { EXCHANGE_URLS: 'binance=http://127.0.0.1:9', FUTURES: 'false' };

/** Enough for a table of more than 8 MB (see build-index-concurrently.ts). */
export const LARGE = 120_000;

/** What a session that asks for nothing may take, from its connection to its end. */
const SESSION_MS = 30;

const { classId } = ADVISORY_LOCKS.migration;

/** Candles in three series, so many that their table counts as large and indexes are built CONCURRENTLY. */
const manyRows = (rows: number) => `
  insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
  select s, '1m', timestamptz '2025-01-01Z' + i * interval '1 minute', 100.12345678 + i, 101 + i, 99 + i, 100.5 + i, i
  from unnest(array['BTC/USDT', 'ETH/USDT', 'SOL/USDT']) s, generate_series(1, ${Math.ceil(rows / 3)}) i`;

/** How a database must end: what an upgrade that nobody disturbed makes of it. */
export interface Reference {
  readonly dump: readonly string[];
  readonly hypertables: readonly string[];
  /** By table, as they were before. */
  readonly rows: Readonly<Record<string, string>>;
  readonly upgradeMs: number;
}

/** A predecessor's database as a template for others. `rows`: so many candles more. */
export async function createPredecessor(
  options: { state?: string; rows?: number; server?: string } = {},
): Promise<TestDatabase & { copy(): Promise<TestDatabase>; reference(): Promise<Reference> }> {
  const { state = 'Alembic 0003', rows: candles = 0, server } = options;
  const place = server === undefined ? {} : { server };
  const template = await createTestDatabase(place);
  const start = START_STATES.find(({ name }) => name === state);
  assert.ok(start, state);
  if (start.needsTimescale) await execute(template.url, 'create extension if not exists timescaledb');
  await start.create(template.url);
  if (candles > 0) await execute(template.url, manyRows(candles));
  const copy = () => createTestDatabase({ ...place, template: template.name });
  return {
    ...template,
    copy,
    reference: async () => {
      await using database = await copy();
      const rows = await fingerprintRows(database.url);
      const startedAt = performance.now();
      await runMigrations(database.url, { actor: 'reference' });
      const upgradeMs = performance.now() - startedAt;
      return {
        dump: await dumpSchema(database.url),
        hypertables: await listHypertables(database.url),
        rows,
        upgradeMs,
      };
    },
  };
}

/** Data, catalog, locks, ledger and history are as if nobody had disturbed the upgrade. */
export async function assertConverged(url: string, reference: Reference, note = ''): Promise<void> {
  assert.deepEqual(await dumpSchema(url), reference.dump, `${note} catalog`);
  assert.deepEqual(await listHypertables(url), reference.hypertables, `${note} hypertables`);
  const rows = await fingerprintRows(url);
  for (const [table, fingerprint] of Object.entries(reference.rows))
    assert.equal(rows[table], fingerprint, `${note} rows of ${table}`);
  assert.deepEqual(await listMigrationLocks(url), [], `${note} locks`);
  const names = (await loadRevisions()).map(({ name }) => name);
  assert.deepEqual(await listLedger(url), names, `${note} ledger`);
  const history = await listHistory(url);
  assert.deepEqual(
    history.filter(({ outcome }) => outcome === 'running'),
    [],
    `${note} history`,
  );
  assert.deepEqual(
    history.filter(({ action, outcome }) => action === 'up' && outcome === 'applied').map(({ subject }) => subject),
    names,
    `${note} each revision is applied once`,
  );
}

/** The process ids of the backends that hold, or wait for, an advisory lock of ours in this database. */
export async function listMigrationLocks(url: string): Promise<number[]> {
  const rows = await execute(
    url,
    `select pid from pg_locks where locktype = 'advisory' and classid::bigint = ${classId}
       and database = (select oid from pg_database where datname = current_database())`,
  );
  return rows.map(({ pid }) => Number(pid));
}

export async function listLedger(url: string): Promise<string[]> {
  return (await execute(url, 'select name from kysely_migration order by name')).map(({ name }) => String(name));
}

export interface HistoryRow {
  readonly action: string;
  readonly subject: string;
  readonly outcome: string;
  readonly actor: string;
  readonly sql_state: string | null;
}

/** Oldest first. */
export async function listHistory(url: string): Promise<HistoryRow[]> {
  const rows = await execute(
    url,
    'select action, subject, outcome, actor, sql_state from candlekeep_migration_history order by id',
  );
  return rows as unknown as HistoryRow[];
}

/** Waits for a backend of this database whose application_name begins so and that runs, or ran last, such a query. */
export async function waitForBackend(url: string, name: string, query = ''): Promise<number> {
  return await waitUntil(async () => {
    const [row] = await execute(
      url,
      `select pid from pg_stat_activity where datname = current_database()
           and application_name like '${name}%' and query ilike '%${query}%' and pid <> pg_backend_pid()`,
    );
    return row ? Number(row['pid']) : null;
  }, `a backend "${name}" with "${query}"`);
}

/**
 * How long after now, in milliseconds, no advisory lock of ours is left; without what the machine held up meanwhile, by
 * the sessions beside it that ask the same server for nothing.
 */
export async function measureLockRelease(url: string): Promise<number> {
  await using watch = new MachineWatch(() => execute(url, 'select 1'), SESSION_MS);
  const startedAt = performance.now();
  await waitUntil(async () => (await listMigrationLocks(url)).length === 0, 'the migration lock is free');
  return Math.max(0, performance.now() - startedAt - watch.totalMs);
}

/** A session with an open transaction that has run `statement`, and so holds its locks until it is disposed of. */
export class OpenTransaction implements AsyncDisposable {
  readonly #client: Client;
  readonly pid: number;

  private constructor(client: Client, pid: number) {
    this.#client = client;
    this.pid = pid;
  }

  static async begin(url: string, statement: string): Promise<OpenTransaction> {
    const client = new Client({ connectionString: url, application_name: 'a reader' });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await client.query('begin');
    await client.query(statement);
    return new OpenTransaction(client, rows[0]?.pid ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}
