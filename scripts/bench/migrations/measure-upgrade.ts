import { Client } from 'pg';
import type { UpgradeResult } from '../../../src/db/migrator/schema-status.ts';
import { createEmptyDatabase, type BenchServer } from '../bench-database.ts';
import type { Measurement } from '../report.ts';
import { createPredecessorDatabase, type PredecessorOptions } from './predecessor-database.ts';
import { runScript } from './run-node.ts';
import { watchTables, type Watch } from './watched-tables.ts';

/** What an exchange of keys may take on a busy machine; PostgreSQL itself needs a few milliseconds. */
const SWAP_MS = 200;

/** Tables that the upgrade only looks at: nobody may ever wait for them. */
const UNTOUCHED = ['predictions', 'system_errors'];

interface HistoryRow {
  readonly subject: string;
  readonly startedAt: number;
  readonly durationMs: number;
}

/** Upgrades the predecessor's database at Alembic head to ours while it is read and written. */
export async function measureUpgrade(
  server: BenchServer,
  { log, ...options }: PredecessorOptions & { readonly log: (line: string) => void },
): Promise<Measurement[]> {
  await using database = await createEmptyDatabase(server);
  const { url } = database;
  log(`making the predecessor's database with ${options.rows.toLocaleString('en-US')} rows in ohlcv_data`);
  await createPredecessorDatabase(url, options);
  const stop = await watchTables(url);
  const started = performance.now();
  let result: UpgradeResult;
  let watches: Watch[];
  try {
    result = JSON.parse(await runScript('scripts/db-upgrade.ts', ['--json'], url)) as UpgradeResult;
  } finally {
    watches = await stop();
  }
  const totalMs = performance.now() - started;
  const history = await readHistory(url);
  for (const { subject, durationMs } of history) log(`  ${subject.padEnd(32)} ${formatMs(durationMs)}`);
  for (const { steps_applied } of [result]) for (const step of steps_applied) log(`  step ${step} applied`);
  const start = options.hypertable ? 'a hypertable' : 'a plain table';
  return [
    {
      what: `upgrade from Alembic head, ${start} of ${options.rows.toLocaleString('en-US')} rows`,
      measured: formatMs(totalMs),
      target: '',
      limit: `longest: ${describeLongest(history)}`,
      met: result.version === result.head,
    },
    ...watches.map((watch) => describeWatch(watch, history, options.hypertable)),
  ];
}

function describeWatch(watch: Watch, history: readonly HistoryRow[], hypertable: boolean): Measurement {
  const { table, kind, lockedMs, longestMs, failed, failedMs, error } = watch;
  const revisionAt = (moment: number) =>
    history.find(({ startedAt, durationMs }) => moment >= startedAt - 5 && moment <= startedAt + durationMs)?.subject ??
    'between revisions';
  const targetMs = targetOf(watch, hypertable);
  const locked =
    lockedMs === 0 ? 'never locked out' : `locked out ${formatMs(lockedMs)} (${revisionAt(watch.lockedAt)})`;
  return {
    what: `  ${kind} of ${table}`,
    measured: failed === 0 ? locked : `${locked}; ${failed} failed over ${formatMs(failedMs)}`,
    target: targetMs === null ? '' : targetMs === 0 ? 'never' : `<= ${targetMs} ms`,
    limit: `longest ${formatMs(longestMs)} (${revisionAt(watch.longestAt)})${error === null ? '' : `; ${error}`}`,
    met: targetMs === null || (lockedMs <= targetMs && (failed === 0 || kind === 'writes')),
  };
}

/** null where there is none: the swap of a hypertable's key builds an index for each chunk under the lock. */
function targetOf({ table, kind }: Watch, hypertable: boolean): number | null {
  if (kind === 'writes' || table === 'recent_ohlcv') return null;
  if (UNTOUCHED.includes(table)) return 0;
  return hypertable && table === 'ohlcv_data' ? null : SWAP_MS;
}

function describeLongest(history: readonly HistoryRow[]): string {
  const longest = history.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, 3);
  return longest.map(({ subject, durationMs }) => `${subject} ${formatMs(durationMs)}`).join(', ');
}

/** What ran, by the server's clock, which is this machine's or is brought to it. */
async function readHistory(url: string): Promise<HistoryRow[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows: clock } = await client.query<{ now: string }>(
      'select extract(epoch from clock_timestamp()) * 1000 as now',
    );
    const aheadMs = Number(clock[0]?.now ?? NaN) - Date.now();
    const { rows } = await client.query<{ subject: string; started: string; duration: string }>(
      `select subject, extract(epoch from started_at) * 1000 as started, duration_ms as duration
       from candlekeep_migration_history where action <> 'adopt' order by started_at`,
    );
    return rows.map(({ subject, started, duration }) => ({
      subject,
      startedAt: Number(started) - aheadMs,
      durationMs: Number(duration),
    }));
  } finally {
    await client.end();
  }
}

export function formatMs(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}
