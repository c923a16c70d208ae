import { Client } from 'pg';
import { createEmptyDatabase, type BenchServer } from '../bench-database.ts';
import type { Measurement } from '../report.ts';
import { formatMs } from './measure-upgrade.ts';
import { createPredecessorDatabase } from './predecessor-database.ts';
import { runScript } from './run-node.ts';

/** How long a large plain table keeps its readers out when it is made a hypertable, which happens only on command. */
export async function measureConversion(
  server: BenchServer,
  { rows, log }: { readonly rows: number; readonly log: (line: string) => void },
): Promise<Measurement[]> {
  await using database = await createEmptyDatabase(server);
  const { url } = database;
  log(`making a plain table of ${rows.toLocaleString('en-US')} rows on a server with TimescaleDB`);
  await createPredecessorDatabase(url, { rows, hypertable: false });
  await runScript('scripts/db-upgrade.ts', [], url);
  const before = await isHypertable(url);
  const started = performance.now();
  await runScript('scripts/db-upgrade.ts', ['--convert-large-tables'], url);
  const ms = performance.now() - started;
  const after = await isHypertable(url);
  return [
    {
      what: `large plain table made a hypertable, ${rows.toLocaleString('en-US')} rows`,
      measured: before ? 'by the upgrade itself' : formatMs(ms),
      target: 'on command only',
      limit: '',
      met: !before && after,
    },
  ];
}

async function isHypertable(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query(
      `select 1 from timescaledb_information.hypertables where hypertable_name = 'ohlcv_data'`,
    );
    return rowCount === 1;
  } finally {
    await client.end();
  }
}
