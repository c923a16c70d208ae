import { pino, type Logger as PinoLogger, type LoggerOptions } from 'pino';
import pretty from 'pino-pretty';

/** Structured logger. Fields first, then one fixed sentence that is never interpolated. */
export type Logger = PinoLogger;

export interface LogConfig {
  readonly level: string;
  /** Lines for a person instead of JSON. */
  readonly pretty: boolean;
}

/**
 * A logger on standard output: JSON lines, or readable ones where `pretty`. Written at once: nothing is lost at an
 * exit.
 */
export function createLogger({ level, pretty: isPretty }: LogConfig): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  if (!isPretty) return pino(options);
  return pino(options, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss', singleLine: true }));
}
