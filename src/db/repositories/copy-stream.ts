import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CompiledQuery, type Kysely } from 'kysely';
import type { Submittable } from 'pg';
import { from, to, type CopyToStreamQuery } from 'pg-copy-streams';
import type { Database } from '../schema.ts';

/**
 * Hands a COPY to the connection that Kysely would use now, which in a transaction is the transaction's own.
 * Kysely gives the text of a query to `client.query` as it is, and `pg` accepts a stream in its place.
 */
async function submit<S extends Submittable>(kysely: Kysely<Database>, stream: S, use: (stream: S) => Promise<void>) {
  await kysely.getExecutor().provideConnection(async (connection) => {
    // pg queues the stream synchronously; what Kysely makes of the "result" is of no use.
    await Promise.all([connection.executeQuery(CompiledQuery.raw(stream as unknown as string)), use(stream)]);
  });
}

/**
 * Runs `COPY … FROM STDIN` and feeds it with `chunks` of the text format, whole lines or not. All or nothing.
 *
 * @throws what PostgreSQL answers, such as SQLSTATE 23505, or what `chunks` throws; the connection stays usable.
 */
export async function copyFrom(kysely: Kysely<Database>, statement: string, chunks: Iterable<string>): Promise<void> {
  await submit(kysely, from(statement), (stream) => pipeline(Readable.from(chunks), stream));
}

/**
 * Runs `COPY … TO STDOUT` and resolves to all that it answers: for results that fit into memory.
 */
export async function copyTo(kysely: Kysely<Database>, statement: string): Promise<Buffer> {
  let answer: Buffer = Buffer.alloc(0);
  const read = async (stream: CopyToStreamQuery) => {
    answer = await buffer(stream);
  };
  await submit(kysely, to(statement), read);
  return answer;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** A text as it stands in a field of COPY's text format. */
export function escapeCopyText(text: string): string {
  return text.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}
