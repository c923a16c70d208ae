import { execFile } from 'node:child_process';
import { open, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { unlessMissing } from './data-dir.ts';

/** What a server writes into `postmaster.pid` of its cluster. */
export interface PidFile {
  readonly pid: number;
  /** True when it accepts connections. */
  readonly ready: boolean;
}

/**
 * Reads the text of a `postmaster.pid`; null where it holds no pid (it is being written).
 * Its lines: https://www.postgresql.org/docs/18/storage-file-layout.html and `src/include/utils/pidfile.h`.
 */
export function parsePidFile(text: string): PidFile | null {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1) return null;
  return { pid, ready: lines[7]?.trim() === 'ready' };
}

/** The pid file of a cluster, or null where there is none that can be used. */
export async function readPidFile(cluster: string): Promise<PidFile | null> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(unlessMissing);
  return text === null ? null : parsePidFile(text);
}

/**
 * Whether process `pid` is really a PostgreSQL server on the folder `cluster` (its real path), and not another program
 * that was given the pid later. A server's working folder is its cluster.
 */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (process.platform === 'linux') {
    const [program, folder] = await Promise.all(
      // Gone, or another user's and so not one on our cluster.
      ['exe', 'cwd'].map((link) => readlink(`/proc/${pid}/${link}`).catch(() => '')),
    );
    // The kernel adds " (deleted)" when the package was installed again under a running server.
    return folder === cluster && /^postgres( \(deleted\))?$/.test(basename(program ?? ''));
  }
  if (process.platform === 'win32') return false;
  const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return /\bpostgres\b/.test(stdout) && stdout.includes(` -D ${cluster}`);
}

/**
 * Makes a stale pid file harmless whose pid is now another program's: PostgreSQL would refuse to start beside it.
 *
 * The file is not removed: it also names the shared memory by which a new server sees that processes of the old one are
 * still at work. A pid that equals the new server's parent (us) is skipped by that check and only that, see
 * `CreateLockFile` in PostgreSQL's src/backend/utils/init/miscinit.c.
 */
export async function disarmPidFile(cluster: string): Promise<void> {
  const path = join(cluster, 'postmaster.pid');
  const text = await readFile(path, 'utf8');
  const file = await open(path, 'r+');
  try {
    const disarmed = text.replace(/^[^\n]*/, String(process.pid));
    await file.truncate(0);
    await file.write(disarmed, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
