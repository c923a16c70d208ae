import type { z } from 'zod';
import { BINARY_BODY, TEXT_BODY } from '../protocol/route-schema.ts';
import { writeParquet } from './parquet.ts';
import type { RowShape } from './row-text.ts';
import { writeCsv, writeLines, type ExportLayout, type LinePage } from './write-lines.ts';

interface FormatBase {
  /** As sentences name it. */
  readonly title: string;
  /** How the text of one row is written, which the body is made of. */
  readonly shape: RowShape;
  readonly contentType: string;
  /** The media types by which an Accept header may ask for it, the usual one first. */
  readonly accepts: readonly string[];
}

/** Pages of rows in one JSON document. */
interface PageEntry extends FormatBase {
  readonly kind: 'page';
}

/** Whole ranges of any size, as a file that is named after the format. */
interface ExportEntry extends FormatBase {
  readonly kind: 'export';
  readonly shape: 'object' | 'csv';
  readonly body: z.ZodType;
  readonly write: (pages: AsyncGenerator<LinePage, void>, layout: ExportLayout) => AsyncGenerator<Uint8Array, void>;
}

/**
 * The formats in which rows are answered, each with all that is known of it; of those that a client likes as well as
 * each other the first is chosen. `json`: an object for each row; `arrays`: milliseconds, then the values, as ccxt has
 * candles; `ndjson`: a JSON object for each line.
 */
export const FORMATS = {
  json: {
    kind: 'page',
    title: 'JSON',
    shape: 'object',
    contentType: 'application/json; charset=utf-8',
    accepts: ['application/json'],
  },
  arrays: {
    kind: 'page',
    title: 'arrays',
    shape: 'array',
    contentType: 'application/json; charset=utf-8',
    accepts: [],
  },
  csv: {
    kind: 'export',
    title: 'CSV',
    shape: 'csv',
    contentType: 'text/csv; charset=utf-8; header=present',
    accepts: ['text/csv'],
    body: TEXT_BODY,
    write: writeCsv,
  },
  ndjson: {
    kind: 'export',
    title: 'NDJSON',
    shape: 'object',
    contentType: 'application/x-ndjson; charset=utf-8',
    accepts: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
    body: TEXT_BODY,
    write: writeLines,
  },
  parquet: {
    kind: 'export',
    title: 'Parquet',
    shape: 'csv',
    contentType: 'application/vnd.apache.parquet',
    accepts: ['application/vnd.apache.parquet'],
    body: BINARY_BODY,
    write: writeParquet,
  },
} as const satisfies Readonly<Record<string, PageEntry | ExportEntry>>;

export type Format = keyof typeof FORMATS;
export type PageFormat = { [F in Format]: (typeof FORMATS)[F]['kind'] extends 'page' ? F : never }[Format];
export type ExportFormat = Exclude<Format, PageFormat>;

export const DEFAULT_FORMAT = 'json' satisfies PageFormat;
export const FORMAT_NAMES = Object.keys(FORMATS) as [Format, ...Format[]];
export const EXPORT_FORMATS = FORMAT_NAMES.filter(isExportFormat);

export function isExportFormat(format: Format): format is ExportFormat {
  return FORMATS[format].kind === 'export';
}

/** `a, b and c`. */
export function joinNames(names: readonly string[], word: 'and' | 'or'): string {
  return `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1) ?? ''}`;
}

/** `csv, ndjson and parquet`: the exports in a sentence. */
export const EXPORT_NAMES = joinNames(EXPORT_FORMATS, 'and');
