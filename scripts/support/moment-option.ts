import { parseMoment } from '../../src/market/moments.ts';
import { UsageError } from './run-command.ts';

/**
 * A moment that an option names, spelled as in queries of the service, in epoch milliseconds; null where the option is
 * empty (as from `make`).
 *
 * @throws UsageError where it is malformed.
 */
export function parseMomentOption(option: string, text: string): number | null {
  if (text.trim() === '') return null;
  try {
    return parseMoment(text.trim());
  } catch {
    throw new UsageError(
      `--${option} ${text}: write an ISO date such as 2024-01-31 or 2024-01-31T12:00Z, or milliseconds`,
    );
  }
}
