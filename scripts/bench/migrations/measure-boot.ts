import { fileURLToPath } from 'node:url';
import { runMigrations } from '../../../src/db/migrator/run-migrations.ts';
import { createEmptyDatabase, type BenchServer } from '../bench-database.ts';
import { median, type Measurement } from '../report.ts';
import { formatMs } from './measure-upgrade.ts';
import { runScript } from './run-node.ts';
import { startServiceProcess } from './service-process.ts';

const WORKER = fileURLToPath(new URL('./boot-worker.ts', import.meta.url));
const REPEATS = 50;
const STARTS = 9;
const MIGRATIONS_TARGET_MS = 50;
const START_TARGET_MS = 1000;

/** What a start at head, with the database up, spends on migrations; and how long it takes altogether. */
export async function measureBoot(server: BenchServer): Promise<Measurement[]> {
  await using database = await createEmptyDatabase(server);
  const { url } = database;
  await runMigrations(url, { actor: 'bench' });
  const warm = await repeatMigrationPart(url, REPEATS);
  const cold: number[] = [];
  const starts: number[] = [];
  const connected: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    cold.push(...(await repeatMigrationPart(url, 1)));
    await using service = await startServiceProcess(url);
    const answer = await fetch(`${service.url}/health/ready`);
    if (answer.status !== 200) throw new Error(`/health/ready answered ${answer.status} after the start`);
    starts.push(service.runningMs);
    connected.push(service.runningMs - service.connectedMs);
  }
  return [
    {
      what: 'migrations at head: upgrade, status, verify',
      measured: `${formatMs(median(cold))} (again in that process ${formatMs(median(warm))})`,
      target: `< ${MIGRATIONS_TARGET_MS} ms`,
      limit: `median of ${STARTS} processes; from ${formatMs(Math.min(...cold))} to ${formatMs(Math.max(...cold))}`,
      met: median(cold) < MIGRATIONS_TARGET_MS,
    },
    {
      what: 'start at head to ready',
      measured: formatMs(median(starts)),
      target: `< ${formatMs(START_TARGET_MS)}`,
      limit: `median of ${STARTS}; of it from connected to ready ${formatMs(median(connected))}`,
      met: median(starts) < START_TARGET_MS,
    },
  ];
}

/** Milliseconds of each of `repeats` in one process of its own. */
async function repeatMigrationPart(url: string, repeats: number): Promise<number[]> {
  return JSON.parse(await runScript(WORKER, [String(repeats)], url)) as number[];
}
