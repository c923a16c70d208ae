import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { readChildrenCpu } from './children-cpu.ts';

/**
 * Loaded into a process of which one wants to know what it cost. As it ends it adds a line of JSON to the file that
 * CPU_RECORD names: `of` (the variable CPU_RECORD_OF, else the script), and `cpuMs`, the processor time of its own and of
 * every process that it started and that has ended. One that is killed leaves no line.
 */
const record = process.env['CPU_RECORD'];
if (isMainThread && record !== undefined) {
  process.once('exit', () => {
    const { user, system } = process.cpuUsage();
    const of = process.env['CPU_RECORD_OF'] ?? process.argv[1];
    const line = { of, cpuMs: Math.round((user + system) / 1000 + (readChildrenCpu() ?? 0)) };
    appendFileSync(record, `${JSON.stringify(line)}\n`);
  });
}
