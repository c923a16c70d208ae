import { readdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';

/** In 1/100 s on every Linux that Node runs on: USER_HZ. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const TICKS_PER_SECOND = 100;

interface Usage {
  readonly parent: number;
  /** Of the process itself, and of its children that ended and were waited for. */
  readonly own: number;
  readonly ended: number;
}

/** CPU seconds that a process has used, all its threads together. */
export async function readCpuSeconds(pid: number): Promise<number> {
  return (await readUsage(pid)).own / TICKS_PER_SECOND;
}

/** CPU seconds of a server and all its children, those that ended included. */
export async function readTreeCpuSeconds(root: number): Promise<number> {
  const { own, ended } = await readUsage(root);
  let ticks = own + ended;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const usage = await readUsage(Number(name)).catch(() => null);
    if (usage?.parent === root) ticks += usage.own;
  }
  return ticks / TICKS_PER_SECOND;
}

/** CPU seconds that this machine was busy since it was started, all its cores together. */
export function readMachineCpuSeconds(): number {
  return cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) / 1000, 0);
}

export async function findParent(pid: number): Promise<number> {
  return (await readUsage(pid)).parent;
}

/** The most memory that a process ever held, and what it holds now, in bytes. */
export async function readMemory(pid: number): Promise<{ readonly peak: number; readonly now: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { peak: read('VmHWM'), now: read('VmRSS') };
}

async function readUsage(pid: number): Promise<Usage> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Fields 4, 14 and 15, 16 and 17 of proc_pid_stat(5); the first one here is its third.
  const field = (number: number) => Number(fields[number - 3]);
  return { parent: field(4), own: field(14) + field(15), ended: field(16) + field(17) };
}
