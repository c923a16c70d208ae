import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { assertConverged, createPredecessor, measureLockRelease } from './migration-stage.ts';
import { waitUntil } from './patience.ts';
import { execute } from './postgres.ts';
import { startService } from './service-process.ts';

export interface KillPlan {
  readonly kills: number;
  readonly seed: number;
  /** The name of a start state. */
  readonly state: string;
  /** Candles. */
  readonly rows: number;
  readonly server?: string;
}

export interface KillReport {
  readonly kills: number;
  /** How many databases came to their end meanwhile. */
  readonly converged: number;
  /** The longest time from a kill until its lock was free. */
  readonly longestReleaseMs: number;
}

/** How many kills, and the seed that repeats a run: FAULT_KILLS and FAULT_SEED. */
export function readKillPlan(defaultKills: number): { kills: number; seed: number } {
  return {
    kills: Number(process.env['FAULT_KILLS'] ?? defaultKills),
    seed: Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000_007),
  };
}

/**
 * Upgrades a predecessor's database with many candles in a process of its own, kills it at a random moment, starts it
 * again, until so many were killed; every database that gets to its end on the way, and the last, must be as if nobody
 * had disturbed it. Errors name the seed.
 */
export async function killAtRandomMoments({ kills, seed, state, rows, ...place }: KillPlan): Promise<KillReport> {
  assert.ok(Number.isSafeInteger(kills) && kills > 0 && Number.isSafeInteger(seed), 'FAULT_KILLS, FAULT_SEED');
  const random = createRandom(seed);
  const note = `FAULT_SEED=${seed} repeats this:`;
  await using predecessor = await createPredecessor({ state, rows, ...place });
  const reference = await predecessor.reference();
  // Follows how long an upgrade takes here and now, so that most kills hit it and late moments are tried too.
  let spanMs = reference.upgradeMs;
  let killed = 0;
  let converged = 0;
  let longestReleaseMs = 0;
  while (killed < kills) {
    await using database = await predecessor.copy();
    for (let isDone = false; !isDone;) {
      await using upgrade = startService({ DATABASE_URL: database.url }, { script: 'scripts/db-upgrade.ts' });
      if (killed < kills) {
        // From when its session is there.
        const hasBegun = async () => upgrade.hasExited || (await hasSession(database.url));
        await waitUntil(hasBegun, `${note} the upgrade begins`);
        await Promise.race([delay(random() * spanMs), upgrade.exited]);
        upgrade.kill('SIGKILL');
      }
      const { code, signal } = await upgrade.waitForExit();
      if (signal === 'SIGKILL') {
        killed += 1;
        spanMs *= 1.1;
        longestReleaseMs = Math.max(longestReleaseMs, await measureLockRelease(database.url));
      } else {
        assert.equal(code, 0, `${note} ${upgrade.output}`);
        isDone = true;
        spanMs = Math.max(100, spanMs * 0.7);
      }
    }
    await assertConverged(database.url, reference, note);
    converged += 1;
  }
  return { kills: killed, converged, longestReleaseMs: Math.round(longestReleaseMs) };
}

async function hasSession(url: string): Promise<boolean> {
  const found = await execute(
    url,
    `select from pg_stat_activity where datname = current_database() and application_name like 'candlekeep %'
       and application_name <> 'candlekeep connectivity'`,
  );
  return found.length > 0;
}

/** Numbers from 0 to 1 that a seed repeats. */
function createRandom(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash('sha256').update(`${seed} ${drawn}`).digest().readUInt32BE(0) / 2 ** 32;
  };
}
