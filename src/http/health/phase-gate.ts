import { UpgradeInProgressError } from '../../db/migrator/schema-status.ts';
import { RequestError } from '../protocol/errors.ts';
import type { HealthProbes } from './health.ts';

/**
 * Passes in phase `running` only.
 *
 * @throws RequestError NOT_RUNNING (503 with Retry-After) with the phase and what it is doing.
 */
export function assertRunning(probes: HealthProbes): void {
  const phase = probes.phase();
  if (phase === 'running') return;
  const progress = probes.failure() ?? probes.progress();
  const detail = `The service is ${phase}${progress === null ? '' : ` (${progress})`}; GET /health tells how far it is.`;
  throw new RequestError('NOT_RUNNING', detail, { headers: { 'retry-after': '2' } });
}

/**
 * Passes where an upgrade may start.
 *
 * @throws UpgradeInProgressError while the process itself migrates at boot; RequestError in every other phase but
 * `running`.
 */
export function assertUpgradable(probes: HealthProbes): void {
  if (probes.phase() === 'migrating')
    throw new UpgradeInProgressError(`this process, at boot${describe(probes.progress())}`);
  assertRunning(probes);
}

function describe(progress: string | null): string {
  return progress === null ? '' : ` (${progress})`;
}
