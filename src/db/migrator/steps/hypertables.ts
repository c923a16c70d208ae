import { sql } from 'kysely';
import { findTimescaledb, isHypertable, listKeys, tableBytes, type AnyKysely } from '../../catalog.ts';
import { findOwnershipBlock, type DeferrableStep, type StepState } from './deferrable-step.ts';
import { isTimescaledbPreloaded, PRELOAD_REMEDY } from './timescaledb-extension.ts';

/** 30-day chunks load 20 % faster than the default of 7 days and keep three years under 40 of them. */
const CHUNK_INTERVAL = '30 days';

/**
 * Nobody can read a table while its rows are moved: 1,000,000 candles, 110 MB, took 3.5 s, so this much a fraction of a
 * second.
 */
const LARGE_TABLE_BYTES = 8 * 1024 * 1024;

function createHypertableStep(table: string, revision: string): DeferrableStep {
  return {
    name: `hypertable_${table}`,
    revision,
    ownSession: false,
    makesKey: null,

    async probe(db, { convertLargeTables = false, assumeTimescaledb = false, planned = [] } = {}) {
      if (await isHypertable(db, table)) return { state: 'applied' };
      const block =
        (assumeTimescaledb ? null : await findExtensionBlock(db)) ??
        (planned.includes(revision) ? null : await findKeyBlock(db, table)) ??
        (convertLargeTables ? null : await findSizeBlock(db, table)) ??
        (await findOwnershipBlock(db, table));
      return block ?? { state: 'ready' };
    },

    async apply(db) {
      const extension = await findTimescaledb(db);
      if (!extension) throw new Error('the timescaledb extension has gone');
      await sql`
        select ${sql.id(extension.schema)}.create_hypertable(
          ${table}::regclass, 'timestamp', chunk_time_interval => ${CHUNK_INTERVAL}::interval,
          create_default_indexes => false, migrate_data => true, if_not_exists => true)`.execute(db);
      // Rows that were moved have no statistics yet: until autovacuum comes by, plans would be guesses.
      await sql`analyze ${sql.table(table)}`.execute(db);
    },
  };
}

async function findExtensionBlock(db: AnyKysely): Promise<StepState | null> {
  if (!(await findTimescaledb(db)))
    return {
      state: 'blocked',
      reason: 'the timescaledb extension is not in this database',
      remedy: 'none needed on plain PostgreSQL; otherwise see the step timescaledb_extension',
      isRemedyNeeded: false,
    };
  if (await isTimescaledbPreloaded(db)) return null;
  return {
    state: 'blocked',
    reason: 'timescaledb is in this database, but the server did not load its library at its start',
    remedy: PRELOAD_REMEDY,
    isRemedyNeeded: true,
  };
}

async function findKeyBlock(db: AnyKysely, table: string): Promise<StepState | null> {
  const keys = (await listKeys(db, table)).filter((key) => !key.columns.includes('timestamp'));
  if (keys.length === 0) return null;
  return {
    state: 'blocked',
    reason: `these keys of ${table} do not hold its timestamp: ${keys.map((key) => key.name).join(', ')}`,
    remedy: `drop them, or add the timestamp to them: a hypertable's unique keys must hold it`,
    isRemedyNeeded: true,
  };
}

/** A boot must not keep readers out for minutes: a large table is converted only where somebody says when. */
async function findSizeBlock(db: AnyKysely, table: string): Promise<StepState | null> {
  const bytes = await tableBytes(db, table);
  if (bytes <= LARGE_TABLE_BYTES) return null;
  return {
    state: 'blocked',
    reason: `${table} holds ${Math.round(bytes / 1024 / 1024)} MB, and nobody could read or write it while its rows are moved into chunks`,
    remedy: 'none needed, a plain table works too; or at a quiet time: npm run db-upgrade -- --convert-large-tables',
    isRemedyNeeded: false,
  };
}

/** The tables that grow with time, as hypertables. */
export const hypertables: readonly DeferrableStep[] = [
  createHypertableStep('ohlcv_data', '0001_initial_schema'),
  // Its key takes in the timestamp only in this revision.
  createHypertableStep('feature_cache', '0004_exact_numbers'),
  createHypertableStep('futures_data', '0003_futures_data'),
];
