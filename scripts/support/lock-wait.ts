import { ConfigError } from '../../src/errors.ts';

const DEFAULT_S = 600;
const MAX_S = 86_400;

/**
 * How long a command waits for another process that is migrating, in milliseconds: MIGRATION_LOCK_WAIT_S, as the service
 * reads it. Call it after `.env` was read.
 *
 * @throws ConfigError where it is not a whole number of seconds.
 */
export function readLockWaitMs(): number {
  const value = process.env['MIGRATION_LOCK_WAIT_S']?.trim() ?? '';
  if (value === '') return DEFAULT_S * 1000;
  const seconds = Number(value);
  if (!/^\d+$/.test(value) || seconds < 1 || seconds > MAX_S)
    throw new ConfigError([`MIGRATION_LOCK_WAIT_S: must be a whole number from 1 to ${MAX_S} (it is "${value}")`]);
  return seconds * 1000;
}
