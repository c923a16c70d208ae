import { createApp } from '../../src/app.ts';
import { boot } from '../../src/boot.ts';
import { parseConfig } from '../../src/config.ts';
import { findExchangeFault } from '../../src/exchanges/ccxt/ccxt-library.ts';
import { createFastClock } from '../../simulator/fast-clock.ts';
import { findCronFault } from '../../src/jobs/scheduler.ts';
import { createLogger } from '../../src/logger.ts';
import { createMinuteClock } from './minute-clock.ts';

/**
 * The service as `src/main.ts` runs it, but for its clock. It goes as FAST_TIME says (JSON, the parameters of
 * `createFastClock`): hours of trading pass in a minute; or as MINUTE_TIME says (those of `createMinuteClock`): the ends
 * of the minutes lie nearer together.
 */
const { FAST_TIME, MINUTE_TIME } = process.env;
const clock =
  MINUTE_TIME === undefined
    ? createFastClock(JSON.parse(FAST_TIME ?? '{}') as Parameters<typeof createFastClock>[0])
    : createMinuteClock(JSON.parse(MINUTE_TIME) as Parameters<typeof createMinuteClock>[0]);
const config = parseConfig(process.env, { findCronFault, findExchangeFault }, false);
const logger = createLogger(config.log);
const app = createApp(config, logger, { clock });
const stopping = new AbortController();
const stop = (): void => stopping.abort(new Error('told to stop'));
process.on('SIGTERM', stop);

const fail = (error: unknown): void => {
  logger.fatal({ err: error }, 'the fast service failed');
  process.exitCode = 1;
  stop();
};
const stack = new AsyncDisposableStack();
await boot(app, stack, { signal: stopping.signal, fail }).catch(fail);
if (!stopping.signal.aborted) await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve));
await stack.disposeAsync();
process.exit();
