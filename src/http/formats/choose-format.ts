import { RequestError } from '../protocol/errors.ts';

/**
 * How rows are answered. In pages: `json` (an object for each row), `arrays` (milliseconds, then the values, as ccxt has
 * candles). Whole ranges of any size: `csv`, `ndjson` (a JSON object for each line), `parquet`.
 */
export const FORMATS = ['json', 'arrays', 'csv', 'ndjson', 'parquet'] as const;
export type Format = (typeof FORMATS)[number];
export type PageFormat = 'json' | 'arrays';
export type ExportFormat = Exclude<Format, PageFormat>;

export const CONTENT_TYPES = {
  json: 'application/json; charset=utf-8',
  arrays: 'application/json; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
} as const satisfies Record<Format, string>;

/** By which media types an Accept header may ask for each; what comes first is liked best where it does not matter. */
const MEDIA_TYPES: readonly (readonly [type: string, format: Format])[] = [
  ['application/json', 'json'],
  ['text/csv', 'csv'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/jsonl', 'ndjson'],
  ['application/vnd.apache.parquet', 'parquet'],
];

export function isExportFormat(format: Format): format is ExportFormat {
  return format !== 'json' && format !== 'arrays';
}

/**
 * The format that the parameter names, else the one that the Accept header likes best, else `json`.
 *
 * @throws RequestError NOT_ACCEPTABLE (406) where the header names none of ours and no wildcard.
 */
export function chooseFormat(parameter: Format | undefined, accept: string | undefined): Format {
  if (parameter !== undefined) return parameter;
  if (accept === undefined || accept.trim() === '' || accept === '*/*') return 'json';
  const ranges = accept.split(',').map((entry, place) => {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.replaceAll(/\s/g, '').toLowerCase());
    const quality = parameters.find((part) => part.startsWith('q='));
    return { type, place, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
  });
  const liked = MEDIA_TYPES.flatMap(([type, format]) => {
    // The most specific range says how much a type is liked, and that may be not at all (RFC 9110, 12.5.1).
    const range = [type, type.replace(/\/.*/, '/*'), '*/*']
      .map((wanted) => ranges.find((each) => each.type === wanted))
      .find((each) => each !== undefined);
    return range && range.quality > 0 ? [{ ...range, format }] : [];
  }).sort((a, b) => b.quality - a.quality || a.place - b.place);
  if (liked[0]) return liked[0].format;
  throw new RequestError(
    'NOT_ACCEPTABLE',
    'Accept application/json, text/csv, application/x-ndjson or application/vnd.apache.parquet, or name the format: format=csv.',
  );
}
