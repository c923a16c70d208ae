import { CompiledQuery, type Kysely } from 'kysely';
import type { Database } from '../schema.ts';

const EARLIEST_MS = Date.parse('0001-01-01T00:00:00Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Collects the values of a statement's parameters and answers their places in its text. */
export class Parameters {
  readonly values: unknown[] = [];

  /** `$1::type` and so on. */
  add(value: string | number, type: 'text' | 'timestamptz' | 'int' | 'float8'): string {
    return `$${this.values.push(value)}::${type}`;
  }

  /** Of what was computed past the years 1 to 9999, which ISO 8601 and PostgreSQL write alike, the nearest moment. */
  addMoment(timeMs: number): string {
    return this.add(new Date(Math.min(Math.max(timeMs, EARLIEST_MS), LATEST_MS)).toISOString(), 'timestamptz');
  }
}

/** Runs a statement that is written as text: what is asked often must not be put together from nodes each time. */
export async function executeText<Row>(kysely: Kysely<Database>, text: string, parameters: Parameters): Promise<Row[]> {
  return (await kysely.executeQuery<Row>(CompiledQuery.raw(text, parameters.values))).rows;
}
