import { ByteWriter, ParquetWriter, type ColumnSource, type SchemaElement } from 'hyparquet-writer';
import type { Numbers } from './rows.ts';

/** A column of an export besides its time. */
export interface ExportColumn {
  readonly name: string;
  readonly kind: 'decimal' | 'boolean';
}

export interface ParquetLayout {
  readonly columns: readonly ExportColumn[];
  readonly numbers: Numbers;
  /** What the file says of itself in its footer, by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Of one row group: its values are in memory together. */
const GROUP_ROWS = 10_000;
const NEWLINE = 10;

/** Hands out what was written, so that a file of any size is never in memory as a whole. */
class FlushingWriter extends ByteWriter {
  /** What was written since the last call. */
  take(): Buffer {
    // The library's own counter, which its file writer sets back in the same way.
    const written = Buffer.from(this.getBytes());
    this.index = 0;
    return written;
  }
}

/** Writes a Parquet file piece by piece; what it describes is at `writeParquet`. */
export class ParquetEncoder {
  readonly #writer = new FlushingWriter(1024 * 1024);
  readonly #file: ParquetWriter;
  readonly #layout: ParquetLayout;

  constructor(layout: ParquetLayout) {
    const { columns, numbers, metadata = {} } = layout;
    const schema: SchemaElement[] = [
      { name: 'root', num_children: columns.length + 1 },
      {
        name: 'timestamp',
        type: 'INT64',
        repetition_type: 'REQUIRED',
        converted_type: 'TIMESTAMP_MILLIS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
      },
      ...columns.map((column) => elementOf(column, numbers)),
    ];
    this.#layout = layout;
    const kvMetadata = Object.entries(metadata).map(([key, value]) => ({ key, value }));
    this.#file = new ParquetWriter({ writer: this.#writer, schema, kvMetadata, createdBy: 'candlekeep' });
  }

  /** The next rows, as whole lines of CSV without a header: a time in ISO 8601, then the columns. */
  async encode(lines: Buffer): Promise<Buffer> {
    for (const group of cutLines(lines, GROUP_ROWS)) {
      const columnData = readColumns(group, this.#layout.columns, this.#layout.numbers);
      const rows = columnData[0]?.data.length ?? 0;
      await this.#file.write({ columnData, rowGroupSize: Math.max(1, rows) });
    }
    return this.#writer.take();
  }

  /** The end of the file. */
  async finish(): Promise<Buffer> {
    await this.#file.finish();
    return this.#writer.take();
  }
}

/** The lines in pieces of so many. */
function* cutLines(lines: Buffer, rows: number): Generator<Buffer> {
  let start = 0;
  let count = 0;
  for (let end = lines.indexOf(NEWLINE); end !== -1; end = lines.indexOf(NEWLINE, end + 1)) {
    if (++count % rows !== 0) continue;
    yield lines.subarray(start, end + 1);
    start = end + 1;
  }
  if (start < lines.length) yield lines.subarray(start);
}

function elementOf({ name, kind }: ExportColumn, numbers: Numbers): SchemaElement {
  const optional = { name, repetition_type: 'OPTIONAL' } as const;
  if (kind === 'boolean') return { ...optional, type: 'BOOLEAN' };
  if (numbers === 'float') return { ...optional, type: 'DOUBLE' };
  return { ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
}

function readColumns(lines: Buffer, columns: readonly ExportColumn[], numbers: Numbers): ColumnSource[] {
  const rows = lines.toString('latin1').split('\n');
  rows.pop();
  const times = new Array<Date>(rows.length);
  const values = columns.map(() => new Array<string | number | boolean | null>(rows.length));
  rows.forEach((row, place) => {
    const [time = '', ...fields] = row.split(',');
    times[place] = new Date(time);
    columns.forEach(({ kind }, column) => {
      const field = fields[column] ?? '';
      const data = values[column];
      if (data) data[place] = field === '' ? null : readField(field, kind, numbers);
    });
  });
  return [
    { name: 'timestamp', data: times },
    ...columns.map(({ name, kind }, column) => ({
      name,
      data: values[column] ?? [],
      // The least and the greatest of texts tell nothing of numbers; and each, a part of its page's text, would keep that
      // in memory until the file ends.
      statistics: kind === 'boolean' || numbers === 'float',
    })),
  ];
}

function readField(field: string, kind: ExportColumn['kind'], numbers: Numbers): string | number | boolean {
  if (kind === 'boolean') return field === 'true';
  return numbers === 'float' ? Number(field) : field;
}
