const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3}0*)?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * A moment in epoch milliseconds, or null where the text is none: milliseconds, microseconds (16 digits, whole
 * milliseconds), or ISO 8601; without a zone it is UTC.
 */
export function parseMoment(text: string): number | null {
  if (/^\d{12,13}$/.test(text)) return Number(text);
  if (/^\d{13}000$/.test(text)) return Number(text.slice(0, -3));
  const match = ISO.exec(text);
  if (!match) return null;
  const [, date = '', time = '00:00', zone = 'Z'] = match;
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms;
}
