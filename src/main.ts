import dotenv from 'dotenv';
import { createApp } from './app.ts';
import { boot } from './boot.ts';
import { parseConfig } from './config.ts';
import { AppError, ConfigError, messageOf } from './errors.ts';
import { findExchangeFault } from './exchanges/ccxt/ccxt-library.ts';
import { findCronFault } from './jobs/scheduler.ts';
import { createLogger } from './logger.ts';
import { keepWholeHeapSmall } from './small-heap.ts';

/** 0: stopped in order · 1: could not start, or failed · 2: the configuration is not valid. */
const EXIT = { ok: 0, failed: 1, config: 2 } as const;

/** After the first signal everything has this long to stop in order. */
const STOP_DEADLINE_MS = 10_000;

function readConfig() {
  dotenv.config({ quiet: true });
  try {
    return parseConfig(process.env, { findCronFault, findExchangeFault }, process.stdout.isTTY);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`${problem}\n`);
    process.stderr.write(
      'candlekeep did not start: mend the lines above in the environment or .env (see .env.example)\n',
    );
    process.exit(EXIT.config);
  }
}

keepWholeHeapSmall();
const config = readConfig();
const logger = createLogger(config.log);
const app = createApp(config, logger);
const stopping = new AbortController();
let exitCode: number = EXIT.ok;

function stop(code: number, reason: string): void {
  if (stopping.signal.aborted) return;
  exitCode = code;
  app.state.enter('stopping');
  // Nothing that keeps the process alive: it only ends one that hangs.
  setTimeout(() => {
    logger.fatal({ afterMs: STOP_DEADLINE_MS }, 'stopping took too long and is cut off');
    process.exit(EXIT.failed);
  }, STOP_DEADLINE_MS).unref();
  stopping.abort(new Error(reason));
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) {
      logger.warn({ signal }, 'a second signal: the process ends at once');
      process.exit(EXIT.failed);
    }
    logger.info({ signal }, 'stopping');
    stop(EXIT.ok, signal);
  });
}

function fail(error: unknown): void {
  if (stopping.signal.aborted) return;
  app.state.failure = messageOf(error);
  logger.fatal(
    error instanceof AppError ? { code: error.code, reason: messageOf(error) } : { err: error },
    'candlekeep failed',
  );
  stop(EXIT.failed, 'failed');
}
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

const stack = new AsyncDisposableStack();
try {
  await boot(app, stack, { signal: stopping.signal, fail });
} catch (error) {
  fail(error);
}
if (!stopping.signal.aborted) await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve));
await stack.disposeAsync();
logger.info('stopped');
process.exit(exitCode);
