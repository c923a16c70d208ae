import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';

/** After the last test of a file, its own `after` hooks included: they stop services, which may take half a minute. */
const GRACE_MS = 120_000;

/**
 * Loaded into the process of each test file. Where something that a failed test left behind keeps the process alive, the
 * file ends as failed: the runner has no limit for that, and would wait for good. So does one that ends before its tests
 * have: what had not run by then would not be missed. It tells its process id in the folder that TEST_PIDS names.
 */
if (isMainThread && process.env['NODE_TEST_CONTEXT'] !== undefined) {
  const [folder, file] = [process.env['TEST_PIDS'], process.argv[1]];
  if (folder !== undefined && file !== undefined)
    writeFileSync(join(folder, `${encodeURIComponent(file)}.pid`), String(process.pid));
  let hasEnded = false;
  after(() => {
    hasEnded = true;
    setTimeout(() => {
      console.error(
        `the tests have ended, but the process is kept alive by ${process.getActiveResourcesInfo().join(', ')}`,
      );
      process.exit(1);
    }, GRACE_MS).unref();
  });
  process.prependListener('exit', (code) => {
    if (hasEnded || code !== 0) return;
    console.error('the process ended before its tests did');
    process.exitCode = 1;
  });
}
