import type { ParquetLayout } from './parquet-encoder.ts';

/** Whole lines of text, and how many. */
export interface LinePage {
  readonly lines: Buffer;
  readonly count: number;
}

/** What a table's rows are made of, and how their decimals are written. */
export type ExportLayout = ParquetLayout;

/** The lines as they are. */
export async function* writeLines(pages: AsyncGenerator<LinePage, void>): AsyncGenerator<Uint8Array, void> {
  for await (const { lines } of pages) yield lines;
}

/** The lines below the names of their columns. */
export async function* writeCsv(
  pages: AsyncGenerator<LinePage, void>,
  { columns }: ExportLayout,
): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from(`timestamp,${columns.map(({ name }) => name).join(',')}\n`);
  yield* writeLines(pages);
}
