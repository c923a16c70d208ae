import { createHash } from 'node:crypto';
import { chmod, chown, lchown, lstat, mkdtemp, readdir, realpath, rmdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { runProgram, type ServerUser } from './child-process.ts';
import { dataDirError, isRoot, unlessMissing } from './data-dir.ts';
import { makeOpenFolder } from './reachable-binaries.ts';

/** Where the cluster (PostgreSQL's own data folder) is or will be, and who runs the server on it. */
export interface ClusterPlace {
  readonly cluster: string;
  readonly user: ServerUser | null;
  readonly exists: boolean;
}

/**
 * Finds the cluster: DATA_DIR/postgres, or what this name links to.
 *
 * A new one is placed in DATA_DIR, unless we are root and `user` cannot enter it (a home of mode 0700): then in a folder
 * under `systemDir`, to which `linkCluster` makes DATA_DIR/postgres a link. The link alone decides where it is, so
 * that DATA_DIR may be moved. No mode of a folder that is not ours is changed.
 *
 * As root, an existing cluster is run by its owner, so that one which an ordinary user made stays that user's.
 *
 * @throws AppError EMBEDDED_POSTGRES_OWNER where the cluster belongs to another user or that user cannot enter it,
 * DATA_DIR_UNUSABLE where DATA_DIR/postgres is no folder.
 */
export async function placeCluster(deps: {
  dataDir: string;
  user: ServerUser | null;
  systemDir: string;
  logger: Logger;
}): Promise<ClusterPlace> {
  const { dataDir, user, systemDir, logger } = deps;
  const name = join(dataDir, 'postgres');
  const found = await lstat(name).catch(unlessMissing);
  if (found) {
    const cluster = await realpath(name).catch(unlessMissing);
    if (cluster === null)
      throw new AppError(
        'DATA_DIR_UNUSABLE',
        `${name} is a link to a database folder that is gone. Bring that folder back, or remove the link to begin ` +
          `with an empty database.`,
      );
    if (!(await removeIfEmpty(cluster))) return { cluster, user: await ownerOf(cluster, user), exists: true };
    if (found.isSymbolicLink()) await rm(name);
  }
  if (!user || (await canEnterNewFolder(dataDir, user))) return { cluster: name, user, exists: false };

  await makeOpenFolder(systemDir);
  const id = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const older: string[] = [];
  for (const entry of (await readdir(systemDir)).filter((name) => name.startsWith(`${id}-`))) {
    const folder = join(systemDir, entry);
    if (await lstat(join(folder, 'postgres')).catch(unlessMissing)) older.push(folder);
    // A first start that was cut off: nothing was ever kept there.
    else await rm(folder, { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(systemDir, `${id}-`));
  await chmod(folder, 0o755);
  logger.info(
    { folder, dataDir, user: user.uid },
    'the database is kept outside DATA_DIR because the server user cannot enter DATA_DIR',
  );
  if (older.length > 0) logger.warn({ folders: older }, 'earlier databases of this DATA_DIR remain');
  return { cluster: join(folder, 'postgres'), user, exists: false };
}

/** Where a new cluster lies outside DATA_DIR: makes DATA_DIR/postgres a link to it. */
export async function linkCluster(dataDir: string, cluster: string): Promise<void> {
  const name = join(dataDir, 'postgres');
  if (cluster === name) return;
  await symlink(cluster, name).catch((error: unknown) => {
    throw dataDirError(error, name, 'link to the database from');
  });
}

async function removeIfEmpty(folder: string): Promise<boolean> {
  if (!(await stat(folder)).isDirectory())
    throw new AppError(
      'DATA_DIR_UNUSABLE',
      `${folder} is not a folder: move it away, or set DATA_DIR to another path.`,
    );
  // Not readable: somebody else's cluster, which `ownerOf` tells in words.
  const entries = await readdir(folder).catch(() => null);
  if (entries?.length !== 0) return false;
  await rmdir(folder);
  return true;
}

async function ownerOf(cluster: string, user: ServerUser | null): Promise<ServerUser | null> {
  const { uid, gid, mode } = await stat(cluster);
  if (!isRoot()) {
    if (process.geteuid && uid !== process.geteuid())
      throw new AppError(
        'EMBEDDED_POSTGRES_OWNER',
        `the database in ${cluster} belongs to user ${uid}, and this process runs as user ${process.geteuid()}. Start ` +
          `the service as that user or as root, or give the folder to this user (chown -R ${process.geteuid()} ${cluster}).`,
      );
    // A copy made without its modes: the server refuses a folder that others may enter.
    if (process.geteuid && (mode & 0o027) !== 0) await chmod(cluster, 0o700);
    return null;
  }
  let owner: ServerUser = { uid, gid };
  if (uid === 0 && user) {
    // A copy that root made: the server cannot run as root, so its files are given to the server's user.
    await giveTree(cluster, user);
    owner = user;
  }
  if ((mode & 0o027) !== 0) await chmod(cluster, 0o700);
  if (!(await canEnter(cluster, owner)))
    throw new AppError(
      'EMBEDDED_POSTGRES_OWNER',
      `the database in ${cluster} belongs to user ${owner.uid}, who may not enter the folders above it. Let that user ` +
        `enter them (chmod a+x), or move the database to where it can (mv ${cluster} /var/lib/candlekeep-postgres) and ` +
        `link to it (ln -s /var/lib/candlekeep-postgres ${cluster}).`,
    );
  return owner;
}

async function giveTree(path: string, { uid, gid }: ServerUser): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory()) for (const name of await readdir(path)) await giveTree(join(path, name), { uid, gid });
  await lchown(path, uid, gid);
}

async function canEnterNewFolder(parent: string, user: ServerUser): Promise<boolean> {
  const folder = await mkdtemp(join(parent, 'postgres.new-'));
  try {
    await chown(folder, user.uid, user.gid);
    return await canEnter(folder, user);
  } finally {
    await rmdir(folder);
  }
}

/** Tried as that user rather than computed from modes: access lists, mounts and security modules count as well. */
async function canEnter(folder: string, user: ServerUser): Promise<boolean> {
  const script = 'cd "$1" && test -r . && test -w .';
  return (await runProgram('/bin/sh', ['-c', script, 'sh', folder], { user, timeoutMs: 30_000 })).ok;
}
