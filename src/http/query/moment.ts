import { z } from 'zod';

const isoDate = z.iso.date();
const isoDateTime = z.iso.datetime({ offset: true, local: true });

/** No exchange is older than the epoch. */
const EARLIEST_MS = 0;
/** After the year 9999 moments have no plain ISO 8601 text, and a candle ends up to four weeks after it opens. */
const LATEST_MS = Date.UTC(9999, 0, 1) - 1;
/** Whole numbers in this range are moments of our time in seconds, and hours of 1970 to 1973 in milliseconds. */
const SECONDS_FROM = 100_000_000;
const SECONDS_TO = 99_999_999_999;

/**
 * Reads a moment: ISO 8601 (UTC where it names no offset) or whole epoch milliseconds.
 *
 * @returns epoch milliseconds.
 * @throws RangeError where the text is neither, is plainly in epoch seconds, or lies before 1970 or after 9998.
 */
export function parseMoment(text: string): number {
  if (/^\d{1,16}$/.test(text) && !/^\d{4}$/.test(text)) return parseEpoch(text);
  // An offset's plus sign that was not escaped in the query arrives as a blank.
  const written = text
    .replace(/ (\d\d:\d\d)$/, '+$1')
    // zod wants the seconds wherever an offset is named.
    .replace(/(T\d\d:\d\d)(Z|[+-]\d\d:\d\d)?$/, '$1:00$2');
  const isDate = isoDate.safeParse(written).success;
  if (!isDate && !isoDateTime.safeParse(written).success)
    throw new RangeError('must be ISO 8601, such as 2026-01-31T08:00:00Z, or epoch milliseconds');
  const hasOffset = isDate || /(Z|[+-]\d\d:\d\d)$/.test(written);
  return bounded(Date.parse(hasOffset ? written : `${written}Z`));
}

function parseEpoch(text: string): number {
  if (/^(19|20)\d{6}$/.test(text))
    throw new RangeError(`looks like a date: write ${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`);
  const ms = Number(text);
  if (ms >= SECONDS_FROM && ms <= SECONDS_TO)
    throw new RangeError(`looks like epoch seconds: milliseconds are meant, such as ${text}000`);
  return bounded(ms);
}

function bounded(ms: number): number {
  if (ms < EARLIEST_MS) throw new RangeError('lies before 1970-01-01T00:00:00Z: nothing is that old');
  if (ms > LATEST_MS)
    throw new RangeError('lies after the year 9998: name an earlier moment (in milliseconds), or none');
  return ms;
}
