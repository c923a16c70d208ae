import { Client } from 'pg';
import type { Logger } from '../../../src/logger.ts';
import { UsageError } from '../../support/run-command.ts';
import type { BenchServer } from '../bench-database.ts';
import type { Measurement } from '../report.ts';
import { measureBoot } from './measure-boot.ts';
import { measureConversion } from './measure-conversion.ts';
import { measureHealth } from './measure-health.ts';
import { measureUpgrade } from './measure-upgrade.ts';

export interface MigrationOptions {
  /** Rows in ohlcv_data of the predecessor's database. */
  readonly rows: number;
  /** Measures with hypertables instead of plain tables. */
  readonly timescale: boolean;
  readonly logger: Logger;
  readonly log: (line: string) => void;
}

/**
 * What migrations cost: those who read and write meanwhile, a start at head, and /health.
 *
 * @throws UsageError where hypertables are wanted from a server that has none.
 */
export async function measureMigrations(server: BenchServer, options: MigrationOptions): Promise<Measurement[]> {
  const { rows, timescale, logger, log } = options;
  log(await describeServer(server.url, timescale));
  // First what millions of rows, which the server is busy with for a while, would disturb.
  log('starts at head');
  const measurements = await measureBoot(server);
  log('/health');
  measurements.push(...(await measureHealth(server, { chunks: timescale ? 2000 : 0, logger })));
  measurements.push(...(await measureUpgrade(server, { rows, hypertable: timescale, log })));
  if (timescale) measurements.push(...(await measureConversion(server, { rows: Math.ceil(rows / 5), log })));
  return measurements;
}

async function describeServer(url: string, timescale: boolean): Promise<string> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string; fsync: string; timescale: string | null; loaded: boolean }>(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
         (select default_version from pg_available_extensions where name = 'timescaledb') as timescale,
         exists (select from pg_settings where name like 'timescaledb.%') as loaded`,
    );
    const found = rows[0];
    const offered = found?.loaded ? found.timescale : null;
    if (timescale && !offered)
      throw new UsageError('--timescale: BENCH_DATABASE_URL must name a server that offers and has loaded TimescaleDB');
    return `PostgreSQL ${found?.version ?? '?'}${offered ? `, TimescaleDB ${offered}` : ''}, fsync ${found?.fsync ?? '?'}`;
  } finally {
    await client.end();
  }
}
