import { constants as flags } from 'node:fs';
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import { dataDirError, giveToFolderOwner, unlessMissing } from './data-dir.ts';

const { O_WRONLY, O_CREAT, O_APPEND } = flags;
// Windows has no such flag.
const noFollow = 'O_NOFOLLOW' in flags ? flags.O_NOFOLLOW : 0;

const ROTATE_BYTES = 10 * 1024 * 1024;
const QUOTED_LINES = 12;

/** The server's own log, opened for the server to write to. */
export interface ServerLog {
  readonly path: string;
  readonly file: FileHandle;
  /** Where what this server writes begins, in bytes. */
  readonly offset: number;
}

/**
 * Opens the log for appending; one larger than 10 MB first becomes `<path>.1`, of which one is kept.
 *
 * @throws AppError DATA_DIR_UNUSABLE or DATA_DIR_FULL.
 */
export async function openServerLog(path: string): Promise<ServerLog> {
  try {
    const size = (await stat(path).catch(unlessMissing))?.size ?? 0;
    if (size > ROTATE_BYTES) await rename(path, `${path}.1`);
    // Root may run this in another user's folder: a link planted there must not be followed.
    const file = await open(path, O_WRONLY | O_CREAT | O_APPEND | noFollow, 0o600);
    await giveToFolderOwner(path);
    return { path, file, offset: (await file.stat()).size };
  } catch (error) {
    throw dataDirError(error, path, 'write the log of the database to');
  }
}

/** What the server said that explains a failure, from `offset` on: see `problemLines`. */
export async function problemsSince({ path, offset }: Pick<ServerLog, 'path' | 'offset'>): Promise<string[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const from = Math.max(offset, size - 64 * 1024);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, size - from)), 0, null, from);
    return problemLines(buffer.subarray(0, bytesRead).toString('utf8'));
  } finally {
    await file.close();
  }
}

// Why a port could not be had is only a LOG line.
const PROBLEM = /\b(?:WARNING|ERROR|FATAL|PANIC|DETAIL|HINT): {2}|\bLOG: {2}could not /;

/** The last lines of a server log that tell of a problem, with their details and hints; without any, its last lines. */
export function problemLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const problems = lines.filter((line) => PROBLEM.test(line));
  return (problems.length > 0 ? problems : lines).slice(-QUOTED_LINES);
}
