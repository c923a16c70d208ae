import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Who a process is among those that share one database. */
export interface ReplicaIdentity {
  /** `host:pid:space:group:random`, such as `web-1:4711:1f0c9ab3:7be13c02:9d2e41aa`; new at each start of a process. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Eight digits for what the pid is one of: this boot of this machine, and the process's namespace. Empty: not known. */
  readonly space: string;
  /** Eight digits for what is collected: only replicas of one group can stand in for each other. */
  readonly group: string;
}

/**
 * The identity of this process. `collect` is what it collects, as JSON can hold it: processes that differ in it (other
 * timeframes, another window) cannot take over each other's markets and form groups of their own. The order of a list
 * does not matter.
 */
export function createReplicaIdentity(collect: object, process: { readonly pid: number }): ReplicaIdentity {
  // A colon divides the parts of the id.
  const host = hostname().replaceAll(':', '-');
  const [space, group] = [findPidSpace(), digest(canonical(collect))];
  const id = [host, process.pid, space, group, randomBytes(4).toString('hex')].join(':');
  return { id, host, pid: process.pid, space, group };
}

/** The parts of an id that `createReplicaIdentity` made; null for anything else. */
export function parseReplicaId(id: string): ReplicaIdentity | null {
  const match = /^([^:]*):(\d+):([\da-f]*):([\da-f]+):[\da-f]+$/.exec(id);
  const [, host, pid, space, group] = match ?? [];
  if (host === undefined || pid === undefined || space === undefined || group === undefined) return null;
  return { id, host, pid: Number(pid), space, group };
}

/**
 * Whether `other` was a process beside us that has ended for certain: its lease need not run out first. Its pid says so
 * only where both pids are of one space; a pid that somebody else has by now counts as alive.
 */
export function isEndedNeighbour(
  other: ReplicaIdentity,
  self: ReplicaIdentity,
  isRunning: (pid: number) => boolean = isRunningPid,
): boolean {
  return other.id !== self.id && self.space !== '' && other.space === self.space && !isRunning(other.pid);
}

function isRunningPid(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is one, of another user.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/** Linux only; elsewhere empty, and an ended neighbour's lease runs out like everybody's. */
function findPidSpace(): string {
  try {
    // https://man7.org/linux/man-pages/man7/pid_namespaces.7.html: two containers have each their own process 1.
    return digest(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8') + readlinkSync('/proc/self/ns/pid'));
  } catch {
    return '';
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** JSON that is the same for objects that differ in the order of their keys or list items only. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).toSorted().join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`);
  return `{${entries.toSorted().join()}}`;
}
