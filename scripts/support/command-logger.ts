import { pino } from 'pino';
import type { Logger } from '../../src/logger.ts';

/** Warnings and errors on standard error: standard output belongs to the command. */
export function createCommandLogger(level = 'warn'): Logger {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
