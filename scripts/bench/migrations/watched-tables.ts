import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { messageOf, sqlStateOf } from '../../../src/errors.ts';

/** Between two selects of a reader, two inserts of the writer, and two looks at the locks. */
const PAUSE_MS = 3;

/** Tables and what each one's reader asks, again and again: one row by an index. */
const READS = {
  ohlcv_data: `select close from ohlcv_data where symbol = 'C0/USDT' order by timestamp desc limit 1`,
  futures_data: `select mark_price from futures_data where symbol = 'C0/USDT' order by timestamp desc limit 1`,
  feature_cache: `select feature_set from feature_cache where symbol = 'C0/USDT' order by timestamp desc limit 1`,
  predictions: `select probability from predictions where symbol = 'C0/USDT' and target_pct = 0.015 order by timestamp desc limit 1`,
  system_errors: `select message from system_errors order by timestamp desc limit 1`,
  recent_ohlcv: `select close from recent_ohlcv where symbol = 'C0/USDT' and timeframe = '1m' order by timestamp desc limit 1`,
} as const;

/** The predecessor's way to write. */
const WRITE = `
  insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
  values ('C0/USDT', '1m', date_trunc('minute', now()) + interval '1 minute' * ($1::int % 1000), 1, 2, 1, 2, 3)
  on conflict (symbol, timeframe, timestamp) do update set close = excluded.close, volume = excluded.volume`;

/** The key that this statement names has gone: the predecessor's writer must have been stopped by then. */
const NO_SUCH_CONFLICT_TARGET = '42P10';

/** What one session saw. Times in milliseconds, moments in epoch milliseconds of this process. */
export interface Watch {
  readonly table: string;
  readonly kind: 'reads' | 'writes';
  readonly statements: number;
  /** The statement that took longest, for whatever reason. */
  readonly longestMs: number;
  readonly longestAt: number;
  /** The longest that it was seen waiting for a lock (pg_locks.waitstart, looked at every few milliseconds). */
  readonly lockedMs: number;
  readonly lockedAt: number;
  /** From the first to the last failing statement. */
  readonly failedMs: number;
  readonly failed: number;
  /** What the first failing statement said; null where none failed. */
  readonly error: string | null;
}

type Open = { -readonly [K in keyof Watch]: Watch[K] } & { firstFailedAt: number | null };

/**
 * Reads several tables and writes to one, each on its own connection, until it is told to stop.
 *
 * @returns a function that stops them all and answers what they saw.
 */
export async function watchTables(url: string): Promise<() => Promise<Watch[]>> {
  const stop = new AbortController();
  const watches = new Map<number, Open>();
  const clients: Client[] = [];
  const work: Promise<void>[] = [];
  const add = async (kind: Watch['kind'], table: string, statement: string) => {
    const client = await connect(url);
    clients.push(client);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const watch = createWatch(kind, table);
    watches.set(rows[0]?.pid ?? 0, watch);
    work.push(keepAsking(client, statement, watch, stop.signal));
  };
  for (const [table, statement] of Object.entries(READS)) await add('reads', table, statement);
  await add('writes', 'ohlcv_data', WRITE);
  const sampler = await connect(url);
  clients.push(sampler);
  work.push(sampleLocks(sampler, watches, stop.signal));
  return async () => {
    stop.abort();
    await Promise.all(work);
    for (const client of clients) await client.end();
    return [...watches.values()];
  };
}

async function keepAsking(client: Client, statement: string, watch: Open, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const started = performance.now();
    const startedAt = Date.now();
    try {
      await client.query(statement, watch.kind === 'writes' ? [watch.statements] : []);
      watch.statements += 1;
      const took = performance.now() - started;
      if (took > watch.longestMs) Object.assign(watch, { longestMs: took, longestAt: startedAt });
    } catch (error) {
      watch.failed += 1;
      watch.error ??= messageOf(error);
      watch.firstFailedAt ??= startedAt;
      watch.failedMs = Date.now() - watch.firstFailedAt;
      if (sqlStateOf(error) === NO_SUCH_CONFLICT_TARGET) return;
    }
    await sleep(PAUSE_MS);
  }
}

async function sampleLocks(client: Client, watches: ReadonlyMap<number, Open>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { rows } = await client.query<{ pid: number; ms: number }>(
      `select pid, extract(epoch from clock_timestamp() - waitstart)::float8 * 1000 as ms
       from pg_locks where not granted and waitstart is not null and pid = any($1)`,
      [[...watches.keys()]],
    );
    for (const { pid, ms } of rows) {
      const watch = watches.get(pid);
      if (watch && ms > watch.lockedMs) Object.assign(watch, { lockedMs: ms, lockedAt: Date.now() - ms });
    }
    await sleep(PAUSE_MS);
  }
}

function createWatch(kind: Watch['kind'], table: string): Open {
  const times = { longestMs: 0, longestAt: 0, lockedMs: 0, lockedAt: 0, failedMs: 0 };
  return { table, kind, statements: 0, ...times, failed: 0, error: null, firstFailedAt: null };
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: 'candlekeep bench watcher' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
