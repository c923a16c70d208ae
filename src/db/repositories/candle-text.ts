/**
 * How a candle is written:
 *
 * - `object`: `{"timestamp":"2026-01-01T00:00:00.000Z","open":…}`, with `"partial":true` where it is
 * - `array`: `[1767225600000,open,high,low,close,volume]`, as ccxt has them
 * - `csv`: `2026-01-01T00:00:00.000Z,open,high,low,close,volume`, and `true` or `false` where partial ones may be
 */
export type CandleShape = 'object' | 'array' | 'csv';

/** How decimals are written in JSON: exact strings, or numbers with the same digits. */
export type DecimalStyle = 'string' | 'float';

const VALUES = ['open', 'high', 'low', 'close', 'volume'] as const;

/**
 * An SQL expression that writes the columns timestamp, open, high, low, close, volume (and `partial`, a boolean) of a
 * row. The server writes them three times as fast as the driver reads them into rows.
 */
export function candleTextExpression(
  shape: CandleShape,
  numbers: DecimalStyle,
  { hasPartial }: { readonly hasPartial: boolean },
): string {
  const quote = numbers === 'string' ? '"' : '';
  switch (shape) {
    case 'array':
      // Cut off, as `toISOString` and `to_char` do; the cast alone would round.
      return `concat('[', (date_part('epoch', date_trunc('milliseconds', timestamp)) * 1000)::bigint, ${VALUES.map((name) => `',${quote}', ${name}, '${quote}'`).join(', ')}, ']')`;
    case 'object': {
      const values = VALUES.map((name) => `',"${name}":${quote}', ${name}, '${quote}'`).join(', ');
      const partial = hasPartial ? `, case when partial then ',"partial":true' end` : '';
      return `concat('{"timestamp":"', ${isoExpression('timestamp')}, '"', ${values}${partial}, '}')`;
    }
    case 'csv': {
      const values = VALUES.map((name) => `',', ${name}`).join(', ');
      const partial = hasPartial ? `, case when partial then ',true' else ',false' end` : '';
      return `concat(${isoExpression('timestamp')}, ${values}${partial})`;
    }
  }
}

/** What `toISOString` writes, whatever the session's time zone. */
export function isoExpression(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** `numeric` has values that JSON has not: they become null where decimals are written as numbers. */
export function withoutNonFinite(text: string, shape: CandleShape, numbers: DecimalStyle): string {
  if (numbers === 'string' || shape === 'csv' || !/NaN|Infinity/.test(text)) return text;
  return text.replaceAll(/(?<=[:,])(NaN|-?Infinity)(?=[,}\]])/g, 'null');
}
