import { lchownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError, messageOf } from '../../errors.ts';
import { dataDirError, isRoot } from './data-dir.ts';

// https://sqlite.org/rescode.html#busy
const SQLITE_BUSY = 5;

/**
 * Takes a folder for this process alone, until the returned lock is disposed or the process ends in any way.
 *
 * Node has no flock, and a file with a pid in it cannot be taken over without a race nor judged from another container.
 * SQLite takes a real lock of the operating system: an empty file `candlekeep.lock`, on which a transaction reserves the
 * right to write and never writes. The kernel drops it with the process. `candlekeep.pid` beside it only tells who it is.
 *
 * @throws AppError DATA_DIR_IN_USE naming the holder, DATA_DIR_UNUSABLE where the file cannot be locked.
 */
export function lockFolder(folder: string): Disposable {
  const path = join(folder, 'candlekeep.lock');
  const holder = join(folder, 'candlekeep.pid');
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('BEGIN IMMEDIATE');
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw inUse(folder, holder);
    throw new AppError(
      'DATA_DIR_UNUSABLE',
      `cannot lock ${path}: ${messageOf(error)}. This user must be able to write it, on a file system with file locks; ` +
        `otherwise set DATA_DIR to another folder, or set DATABASE_URL.`,
      { cause: error },
    );
  }
  try {
    writeFileSync(holder, `${process.pid} ${hostname()}\n`);
    if (isRoot()) {
      // By path: closing a descriptor of the locked file would drop the lock of the whole process.
      const { uid, gid } = statSync(folder);
      for (const file of [path, holder]) lchownSync(file, uid, gid);
    }
  } catch (error) {
    database.close();
    throw dataDirError(error, holder, 'write');
  }
  const held = database;
  return {
    [Symbol.dispose]() {
      rmSync(holder, { force: true });
      held.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function inUse(folder: string, holder: string): AppError {
  let text = '';
  try {
    text = readFileSync(holder, 'utf8');
  } catch {
    // The holder has the lock but has not yet written who it is; the refusal stands without the name.
  }
  const [pid, host] = text.trim().split(' ');
  const who = pid && host ? `pid ${pid} on ${host}` : 'its pid is not known yet';
  return new AppError(
    'DATA_DIR_IN_USE',
    `${folder} is in use by another running candlekeep (${who}). Stop that one first${pid ? ` (kill ${pid})` : ''}, ` +
      `or give this one a DATA_DIR of its own.`,
  );
}
