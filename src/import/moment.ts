const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3}0*)?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * A moment in epoch milliseconds, or null where the text is none: milliseconds, microseconds (16 digits, whole
 * milliseconds), or ISO 8601; without a zone it is UTC.
 */
export function parseMoment(text: string): number | null {
  const quick = parseCanonical(text);
  if (quick !== null) return quick;
  if (/^\d{12,13}$/.test(text)) return Number(text);
  if (/^\d{13}000$/.test(text)) return Number(text.slice(0, -3));
  const match = ISO.exec(text);
  if (!match) return null;
  const [, date = '', time = '00:00', zone = 'Z'] = match;
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms;
}

const MINUTE = /^T(?:[01]\d|2[0-3]):[0-5]\d:$/;
let latestDay = { prefix: '', startMs: 0 };
const minutes = new Map<string, number>();

/**
 * `2024-01-31T12:34:00.000Z`, the form in which a file has millions, read piece by piece from what was seen before;
 * null for every other form, and for the first time of a day.
 */
function parseCanonical(text: string): number | null {
  if (text.length !== 24 || !text.endsWith('00.000Z')) return null;
  if (!text.startsWith(latestDay.prefix) || latestDay.prefix === '') {
    const startMs = Date.parse(`${text.slice(0, 10)}T00:00:00.000Z`);
    if (ISO.test(text) && !Number.isNaN(startMs)) latestDay = { prefix: text.slice(0, 10), startMs };
    return null;
  }
  const time = text.slice(10, 17);
  let offsetMs = minutes.get(time);
  if (offsetMs === undefined) {
    if (!MINUTE.test(time)) return null;
    offsetMs = Number(time.slice(1, 3)) * 3_600_000 + Number(time.slice(4, 6)) * 60_000;
    minutes.set(time, offsetMs);
  }
  return latestDay.startMs + offsetMs;
}
