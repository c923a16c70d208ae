import { constants } from 'node:fs';
import { access, chmod, lchown, mkdir, open, readFile, realpath, rename, stat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { AppError, messageOf } from '../../errors.ts';

/** The code of a system error (`ENOENT`, …), or null. */
export function errnoOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** True where this process is root on a system that has users; the server itself refuses to run as root. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * What a file error under DATA_DIR means to the person who started the service. An AppError passes unchanged.
 *
 * `DATA_DIR_FULL` for a full disk or quota, `DATA_DIR_UNUSABLE` for everything else. `doing` completes "cannot …".
 */
export function dataDirError(error: unknown, path: string, doing: string): AppError {
  if (error instanceof AppError) return error;
  const errno = errnoOf(error);
  const found = `cannot ${doing} ${path}: ${messageOf(error)}`;
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return new AppError('DATA_DIR_FULL', `${found}. The disk is full: make room on it, or set DATA_DIR to another.`, {
      cause: error,
    });
  const remedy =
    errno === 'EROFS'
      ? 'The file system is read-only: set DATA_DIR to a folder that can be written.'
      : errno === 'ENOTDIR' || errno === 'EEXIST'
        ? 'DATA_DIR must be a folder: move the file away, or set DATA_DIR to another path.'
        : 'Give this user the right to write there (chown, chmod), set DATA_DIR to a folder of its own, or set DATABASE_URL.';
  return new AppError('DATA_DIR_UNUSABLE', `${found}. ${remedy}`, { cause: error });
}

/**
 * Makes DATA_DIR where it is missing and answers its real, absolute path.
 *
 * @throws AppError DATA_DIR_UNUSABLE where it is no folder or this user may not write in it, DATA_DIR_FULL.
 */
export async function prepareDataDir(dataDir: string): Promise<string> {
  const path = resolve(dataDir);
  try {
    await makeFolder(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(path);
  } catch (error) {
    throw dataDirError(error, path, 'use the DATA_DIR');
  }
}

/** Node's own recursive mkdir never ends where a folder cannot be made in one that exists, such as /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST' && (await isFolder(path))) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path || (await isFolder(parent))) throw error;
    await makeFolder(parent);
    await makeFolder(path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(unlessMissing))?.isDirectory() ?? false;
}

/**
 * As root: gives a file to the owner of its folder, so that the service can later run as that user. Otherwise nothing.
 */
export async function giveToFolderOwner(path: string): Promise<void> {
  if (!isRoot()) return;
  const { uid, gid } = await stat(dirname(path));
  await lchown(path, uid, gid);
}

/** Writes a file that only its owner may read, whole or not at all, and on the disk before it answers. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await giveToFolderOwner(draft);
  await rename(draft, path);
}

/**
 * The superuser's password: the one in DATA_DIR/postgres-password, or a new random one written there with mode 0600.
 * It is safe in a URL as it stands. A file that holds no such password (cut short, edited) is replaced.
 */
export async function keepPassword(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres-password');
  try {
    const kept = (await readFile(path, 'utf8').catch(unlessMissing))?.trim();
    if (kept !== undefined && /^[\w-]{20,200}$/.test(kept)) {
      if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
      return kept;
    }
    const password = randomBytes(24).toString('base64url');
    await writePrivateFile(path, `${password}\n`);
    return password;
  } catch (error) {
    throw dataDirError(error, path, 'keep the database password in');
  }
}

/** For `.catch`: null where a file is missing, every other error again. */
export function unlessMissing(error: unknown): null {
  if (errnoOf(error) === 'ENOENT') return null;
  throw error;
}
