import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';

/** After the last test of a file, its own `after` hooks included: they stop services, which may take half a minute. */
const GRACE_MS = 120_000;

/**
 * Loaded into the process of each test file. Where something that a failed test left behind keeps the process alive, the
 * file ends as failed: the runner has no limit for that, and would wait for good.
 */
if (isMainThread && process.env['NODE_TEST_CONTEXT'] !== undefined)
  after(() => {
    setTimeout(() => {
      console.error(
        `the tests have ended, but the process is kept alive by ${process.getActiveResourcesInfo().join(', ')}`,
      );
      process.exit(1);
    }, GRACE_MS).unref();
  });
