import { pino, type Logger as PinoLogger } from 'pino';

/** Structured logger. Fields first, then one fixed sentence that is never interpolated. */
export type Logger = PinoLogger;

export interface LogConfig {
  readonly level: string;
  /** Lines for a person instead of JSON. */
  readonly pretty: boolean;
}

/** A logger on standard output: JSON lines, or readable ones where `pretty`. */
export function createLogger({ level, pretty }: LogConfig): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!pretty) return pino(options);
  return pino({
    ...options,
    transport: {
      target: 'pino-pretty',
      options: { translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true },
    },
  });
}
