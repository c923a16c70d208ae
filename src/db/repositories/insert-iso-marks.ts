const NEWLINE = 10;
const COMMA = 44;
const DOT = 46;
const T = 84;
const ZERO = 48;
const Z = 90;
/** Where the blank between date and time stands in `2026-01-01 00:00:00`. */
const BLANK_AT = 10;
/** What a line grows by: `.000Z`. */
const GROWTH = 5;

/**
 * Makes `2026-01-01T00:00:00.000Z` of the time, in UTC, that each line begins with as PostgreSQL writes it
 * (`2026-01-01 00:00:00`, perhaps with a fraction of a second, of which three digits are kept). On the server that
 * would cost a third of the whole; this costs a tenth, on the other core.
 *
 * @returns the lines, their number, and the last one's time (epoch ms), null where there is none.
 */
export function insertIsoMarks(answer: Buffer): { lines: Buffer; count: number; last: number | null } {
  // Time and comma alone have 20 characters, and four values and a newline follow.
  const written = Buffer.allocUnsafe(answer.length + Math.ceil(answer.length / 25) * GROWTH);
  let to = 0;
  let count = 0;
  let lastStart = 0;
  for (let at = 0; at < answer.length;) {
    lastStart = to;
    let digits = -1;
    for (let place = 0; ; place++) {
      const byte = answer[at++] ?? COMMA;
      if (byte === COMMA) break;
      if (byte === DOT) digits = 0;
      else if (digits >= 0 && ++digits > 3) continue;
      written[to++] = place === BLANK_AT ? T : byte;
    }
    if (digits < 0) {
      written[to++] = DOT;
      digits = 0;
    }
    for (; digits < 3; digits++) written[to++] = ZERO;
    written[to++] = Z;
    written[to++] = COMMA;
    while (at < answer.length) {
      const byte = answer[at++] ?? NEWLINE;
      written[to++] = byte;
      if (byte === NEWLINE) break;
    }
    count++;
  }
  const lines = written.subarray(0, to);
  if (count === 0) return { lines, count, last: null };
  const end = lines.indexOf(COMMA, lastStart);
  return { lines, count, last: Date.parse(lines.toString('latin1', lastStart, end)) };
}
