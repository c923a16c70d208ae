import { AppError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { sleep } from '../../retry.ts';
import { disarmPidFile, isServerOf, readPidFile } from './pid-file.ts';

const POLL_MS = 25;

/**
 * Ends the server that a killed service left on this cluster, and makes a stale pid file harmless.
 *
 * It is ended rather than taken over: its sessions, which are the killed service's, go with their locks and statements;
 * the new server is our child with the settings and binaries of this build.
 *
 * @throws AppError EMBEDDED_POSTGRES_FAILED where it does not end.
 */
export async function endLeftoverServer(cluster: string, logger: Logger, signal: AbortSignal): Promise<void> {
  const left = await readPidFile(cluster);
  if (!left || !isAlive(left.pid)) return;
  if (!(await isServerOf(left.pid, cluster))) {
    logger.info({ cluster, pid: left.pid }, 'a stale pid file names another program and is ignored');
    await disarmPidFile(cluster);
    return;
  }
  logger.info({ cluster, pid: left.pid }, 'stopping the database server that an earlier run left behind');
  for (const [kill, withinMs] of [
    ['SIGINT', 8_000],
    ['SIGQUIT', 10_000],
  ] as const) {
    send(left.pid, kill);
    const deadline = Date.now() + withinMs;
    while (Date.now() < deadline) {
      if (!(await isServerOf(left.pid, cluster))) return;
      await sleep(POLL_MS, signal);
    }
  }
  throw new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    `the database server that an earlier run left on ${cluster} (pid ${left.pid}) does not stop. Stop it ` +
      `(kill -QUIT ${left.pid}) and start again.`,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between our look and our signal, which is what the signal is for.
  }
}
