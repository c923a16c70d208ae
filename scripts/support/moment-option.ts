import { messageOf } from '../../src/errors.ts';
import { parseMoment } from '../../src/market/moments.ts';
import { UsageError } from './run-command.ts';

/**
 * A moment that an option names, spelled as in queries of the service, in epoch milliseconds; null where the option is
 * empty (as from `make`).
 *
 * @throws UsageError where it is malformed, with what `parseMoment` says of it.
 */
export function parseMomentOption(option: string, text: string): number | null {
  if (text.trim() === '') return null;
  try {
    return parseMoment(text.trim());
  } catch (error) {
    throw new UsageError(`--${option} ${text}: ${messageOf(error)}`);
  }
}
