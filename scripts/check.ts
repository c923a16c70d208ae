import { availableParallelism } from 'node:os';
import { CHECKS, runCheck } from './test/checks.ts';
import { runPool } from './test/pool.ts';
import { printCheck } from './test/print.ts';
import { runCommand } from './support/run-command.ts';

/** `npm run check`: the checks of the sources beside each other, each with its output in one piece. */
await runCommand(async () => {
  const failed: string[] = [];
  const { signal } = new AbortController();
  const check = async (name: string) => {
    const outcome = await runCheck(name, signal);
    printCheck(outcome);
    if (!outcome.isOk) failed.push(name);
  };
  await runPool(
    CHECKS.map((name) => () => check(name)),
    availableParallelism(),
  );
  if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
  return failed.length > 0 ? 1 : 0;
});
