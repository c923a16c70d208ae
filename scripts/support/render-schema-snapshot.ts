import { format, resolveConfig } from 'prettier';
import type { SchemaSnapshot } from '../../src/db/migrator/read-snapshot.ts';

/** Where the snapshot is kept. */
export const SNAPSHOT_FILE = new URL('../../src/db/schema-snapshot.ts', import.meta.url);

/** The source of src/db/schema-snapshot.ts, formatted as everything else is. */
export async function renderSchemaSnapshot(snapshot: SchemaSnapshot): Promise<string> {
  const source = `/**
 * What the revisions make of an empty database: the row types (schema.ts) and the verification (expected-schema.ts) stand
 * on it. Written by "npm run schema:write" from such a database; a test fails where it is stale. Do not edit.
 */
export const SCHEMA_SNAPSHOT = ${JSON.stringify(snapshot)} as const;
`;
  const style = await resolveConfig(SNAPSHOT_FILE);
  return await format(source, { ...style, objectWrap: 'collapse', parser: 'typescript' });
}
