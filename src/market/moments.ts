export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;

/** The end of a range that has none: the last day that ISO 8601 and PostgreSQL write with four digits of year. */
export const END_OF_TIME_MS = Date.UTC(9999, 11, 31);

/** No exchange is older than the epoch. */
const EARLIEST_MS = 0;
/** After the year 9999 moments have no plain ISO 8601 text, and a candle ends up to four weeks after it opens. */
const LATEST_MS = Date.UTC(9999, 0, 1) - 1;
/** Whole numbers in this range are moments of our time in seconds, and hours of 1970 to 1973 in milliseconds. */
const SECONDS_FROM = 100_000_000;
const SECONDS_TO = 99_999_999_999;

/** ISO 8601 in UTC with milliseconds; null of a moment that is not known. */
export function toIso(timeMs: number): string;
export function toIso(timeMs: number | null): string | null;
export function toIso(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}

/**
 * Reads a moment as people and programs name it, in queries and options: ISO 8601 or whole epoch milliseconds.
 *
 * @returns epoch milliseconds.
 * @throws RangeError where the text is neither, is plainly in epoch seconds, or lies before 1970 or after 9998.
 */
export function parseMoment(text: string): number {
  if (/^\d{1,16}$/.test(text) && !/^\d{4}$/.test(text)) return parseEpoch(text);
  // An offset's plus sign that was not escaped in a query arrives as a blank.
  const ms = readIso(text.replace(/(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$/, '$1+$2'));
  if (ms === null) throw new RangeError('must be ISO 8601, such as 2026-01-31T08:00:00Z, or epoch milliseconds');
  return bounded(ms);
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

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * Reads ISO 8601: a day, or a day and a time that are joined by a T or a blank; seconds may be left out, and without a
 * zone it is UTC. What is finer than a millisecond is cut off.
 *
 * @returns epoch milliseconds; null where the text is nothing of the kind, or names a day or an hour that does not exist.
 */
export function readIso(text: string): number | null {
  const match = ISO.exec(text);
  if (!match) return null;
  const [, date = '', time = '00:00', zone = 'Z'] = match;
  // The platform takes the 29th to 31st of a shorter month for a day of the next one.
  if ((date.startsWith('3', 8) || date.startsWith('29', 8)) && !isDay(date)) return null;
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms;
}

function isDay(date: string): boolean {
  const ms = Date.parse(`${date}T00:00:00.000Z`);
  return !Number.isNaN(ms) && toIso(ms).startsWith(date);
}

/**
 * Reads a moment in a file of rows: ISO 8601, milliseconds of our time (12 or 13 digits), or the same in microseconds.
 * Each is a whole number of milliseconds.
 *
 * @returns epoch milliseconds; null where the text is none of them.
 */
export function readFileMoment(text: string): number | null {
  const quick = readCanonical(text);
  if (quick !== null) return quick;
  if (/^\d{12,13}$/.test(text)) return Number(text);
  if (/^\d{13}000$/.test(text)) return Number(text.slice(0, -3));
  return SUB_MILLISECOND.test(text) ? null : readIso(text);
}

const SUB_MILLISECOND = /\.\d{3}\d*[1-9]/;
const MINUTE = /^T(?:[01]\d|2[0-3]):[0-5]\d:$/;
let latestDay = { prefix: '', startMs: 0 };
const minutes = new Map<string, number>();

/**
 * `2024-01-31T12:34:00.000Z`, the form in which a file has millions, read piece by piece from what was seen before;
 * null for every other form, and for the first time of a day.
 */
function readCanonical(text: string): number | null {
  if (text.length !== 24 || !text.endsWith('00.000Z')) return null;
  if (!text.startsWith(latestDay.prefix) || latestDay.prefix === '') {
    rememberDay(text);
    return null;
  }
  const time = text.slice(10, 17);
  let offsetMs = minutes.get(time);
  if (offsetMs === undefined) {
    if (!MINUTE.test(time)) return null;
    offsetMs = Number(time.slice(1, 3)) * HOUR_MS + Number(time.slice(4, 6)) * MINUTE_MS;
    minutes.set(time, offsetMs);
  }
  return latestDay.startMs + offsetMs;
}

function rememberDay(text: string): void {
  const prefix = text.slice(0, 10);
  const startMs = readIso(prefix);
  if (startMs !== null && readIso(text) !== null) latestDay = { prefix, startMs };
}
