import { createKysely, createPool } from '../../../src/db/client.ts';
import { waitForDatabase } from '../../../src/db/connectivity.ts';
import { SchemaMigrator } from '../../../src/db/migrator/schema-migrator.ts';
import { verifyPrivileges, verifySchema } from '../../../src/db/migrator/verify-schema.ts';
import { SchemaMonitor } from '../../../src/db/schema-monitor.ts';
import { createLogger } from '../../../src/logger.ts';

/**
 * Does what a start does between "connected to the database" and "candlekeep is running" about the schema of
 * DATABASE_URL, as often as the first argument says, and writes the milliseconds of each as JSON to standard output. A
 * process of its own, because the first time is what a start pays.
 */
const [repeats = '1'] = process.argv.slice(2);
const url = process.env['DATABASE_URL'] ?? '';
const logger = createLogger({ level: 'fatal', pretty: false });
const pool = createPool({ url, applicationName: 'candlekeep bench boot', maxConnections: 1, logger });
const createMigrator = () => new SchemaMigrator({ url: () => url, lockWaitMs: 1000, logger });
try {
  const kysely = createKysely(() => pool);
  const first = new SchemaMonitor({ migrator: createMigrator() });
  await Promise.all([waitForDatabase({ url, timeoutMs: 10_000, logger }), first.preload()]);
  await pool.query('select 1');
  const times: number[] = [];
  for (let repeat = 0; repeat < Number(repeats); repeat++) {
    const schema = repeat === 0 ? first : new SchemaMonitor({ migrator: createMigrator() });
    const started = performance.now();
    const { applied } = await schema.upgrade({ actor: 'bench' });
    await verifySchema(kysely);
    await verifyPrivileges(kysely);
    times.push(performance.now() - started);
    if (applied.length > 0) throw new Error('the database was not at head');
  }
  console.log(JSON.stringify(times));
} finally {
  await pool.end();
}
