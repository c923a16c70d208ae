import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { CHECKS, runCheck } from './test/checks.ts';
import { runPool } from './test/pool.ts';
import { printCheck } from './test/print.ts';
import { abortOnSignals, INTERRUPTED } from './test/stopping.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Looks at the sources without running them: ${CHECKS.join(', ')}.

  npm run check [-- --help]

Each is a script of package.json; they run beside each other.
Exit codes: 0 all passed · 1 something failed · 2 wrong usage · 130 interrupted`;

/** `npm run check`: the checks of the sources beside each other, each with its output in one piece. */
await runCommand(async () => {
  const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const failed: string[] = [];
  const signal = abortOnSignals();
  const check = async (name: string) => {
    if (signal.aborted) return;
    const outcome = await runCheck(name, signal);
    // One that was ended says nothing about the sources.
    if (outcome.isEnded) return;
    printCheck(outcome);
    if (!outcome.isOk) failed.push(name);
  };
  await runPool(
    CHECKS.map((name) => () => check(name)),
    availableParallelism(),
  );
  if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
  if (signal.aborted) return INTERRUPTED;
  return failed.length > 0 ? 1 : 0;
});
