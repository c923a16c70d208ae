import { chown, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../../errors.ts';
import type { Binaries } from './binaries.ts';
import { runProgram, type ServerUser } from './child-process.ts';
import { problemLines } from './server-log.ts';
import { dataDirError, unlessMissing } from './data-dir.ts';

/** The superuser and the database of the embedded server. */
export const OWN_NAME = 'candlekeep';

const INITDB_TIMEOUT_MS = 300_000;

/** What a new cluster starts with, in its postgresql.conf, where its owner may change it: small and always on. */
const INITIAL_SETTINGS: Readonly<Record<string, string>> = {
  max_connections: '50',
  shared_buffers: '128MB',
  min_wal_size: '80MB',
  max_wal_size: '512MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // One line every five minutes for years would be most of the log.
  log_checkpoints: 'off',
  // A session whose client was killed ends, with its locks, also in the middle of a long statement.
  ...(process.platform === 'linux' ? { client_connection_check_interval: '1s' } : {}),
};

/**
 * Makes the cluster: in a draft folder beside it, renamed when it is whole, so that one that was cut off never blocks.
 * Text is compared and classified by PostgreSQL's built-in C.UTF-8: the same on every machine, whatever its C library.
 *
 * @throws AppError DATA_DIR_FULL, DATA_DIR_UNUSABLE, or EMBEDDED_POSTGRES_FAILED with initdb's own words.
 */
export async function createCluster(deps: {
  cluster: string;
  binaries: Binaries;
  user: ServerUser | null;
  password: string;
  /** False: do not wait for the disk (tests). */
  durable: boolean;
  signal: AbortSignal;
}): Promise<void> {
  const { cluster, binaries, user, password, durable, signal } = deps;
  const parent = dirname(cluster);
  try {
    const draft = await mkdtemp(join(parent, DRAFT_PREFIX));
    try {
      const passwordFile = join(draft, 'password');
      await writeFile(passwordFile, password, { mode: 0o600 });
      if (user) for (const path of [passwordFile, draft]) await chown(path, user.uid, user.gid);
      const drafted = join(draft, basename(cluster));
      const args = [
        `--pgdata=${drafted}`,
        `--username=${OWN_NAME}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--data-checksums',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(durable ? [] : ['--no-sync']),
        ...Object.entries(INITIAL_SETTINGS).map(([name, value]) => `--set=${name}=${value}`),
      ];
      const outcome = await runProgram(binaries.initdb, args, { user, timeoutMs: INITDB_TIMEOUT_MS, signal });
      if (!outcome.ok) throw initdbFailed(cluster, outcome.output);
      await rename(drafted, cluster);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  } catch (error) {
    signal.throwIfAborted();
    throw dataDirError(error, cluster, 'create the database in');
  }
}

/**
 * Refuses a folder that this build's server cannot run on, before anything in it is touched.
 *
 * @throws AppError EMBEDDED_POSTGRES_VERSION for a cluster of another major version, DATA_DIR_UNUSABLE for no cluster.
 */
export async function checkCluster(cluster: string, binaries: Binaries): Promise<void> {
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8')
    .catch(unlessMissing)
    .catch((error: unknown) => {
      throw dataDirError(error, cluster, 'read the database in');
    });
  const major = version?.trim();
  if (major === undefined || !/^\d+$/.test(major))
    throw new AppError(
      'DATA_DIR_UNUSABLE',
      `${cluster} is not a PostgreSQL database (it has no usable PG_VERSION). Move it away to begin with an empty ` +
        `database, or set DATA_DIR to another folder.`,
    );
  if (major !== binaries.major)
    throw new AppError(
      'EMBEDDED_POSTGRES_VERSION',
      `the database in ${cluster} was made by PostgreSQL ${major}, and this build brings PostgreSQL ` +
        `${binaries.major}, which cannot open it. Nothing was changed. Copy it over with PostgreSQL ${major} running ` +
        `(pg_dump, then psql into a new database), or serve the folder with PostgreSQL ${major} and set ` +
        `DATABASE_URL; or move the folder away to begin with an empty database.`,
    );
}

/**
 * Sets the superuser's password on a cluster whose server is stopped, without knowing the old one (single-user mode).
 * Whether it worked shows when the password is used: single-user mode exits with 0 also when a statement fails.
 */
export async function resetPassword(deps: {
  cluster: string;
  binaries: Binaries;
  user: ServerUser | null;
  password: string;
  signal: AbortSignal;
}): Promise<void> {
  const { cluster, binaries, user, password, signal } = deps;
  await runProgram(binaries.postgres, ['--single', '-D', cluster, 'postgres'], {
    user,
    timeoutMs: INITDB_TIMEOUT_MS,
    input: `ALTER ROLE ${OWN_NAME} PASSWORD '${password}';\n`,
    signal,
  });
}

const DRAFT_PREFIX = 'postgres.new-';

/** Removes what a start that was cut off left in `parent`, the folder of a cluster. Nobody else may be starting there. */
export async function removeDrafts(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(DRAFT_PREFIX)) continue;
    // The initdb of a service that was killed may still be writing there; then the next start removes it.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function initdbFailed(cluster: string, output: string): AppError {
  // initdb is a program of its own: its text is all it gives. LC_ALL=C keeps it English.
  if (output.includes('No space left on device') || output.includes('Disk quota exceeded'))
    return new AppError(
      'DATA_DIR_FULL',
      `cannot create the database in ${cluster}: the disk is full. Make room on it, or set DATA_DIR to another.\n${problemLines(output).join('\n')}`,
    );
  return new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    `cannot create the database in ${cluster}: initdb failed:\n${problemLines(output).join('\n')}`,
  );
}
