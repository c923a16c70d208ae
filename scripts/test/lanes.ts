import { glob } from 'node:fs/promises';
import { resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

export type LaneName = 'unit' | 'integration' | 'e2e' | 'slow' | 'faults' | 'chaos';

/** A folder of test/, and how its files are run. */
export interface Lane {
  /** `works`: its files keep a processor busy. `waits`: they mostly wait for services, so that more of them fit. */
  readonly kind: 'works' | 'waits';
  /** Whether the run brings it a PostgreSQL server. */
  readonly needsServer: boolean;
  /** For one test. */
  readonly timeoutMs: number;
  /** For a whole file, whatever it hangs in. */
  readonly fileTimeoutMs: number;
}

const SHORT = { timeoutMs: 300_000, fileTimeoutMs: 900_000 };
/** The long lanes go on for as long as they are asked to. */
const LONG = { timeoutMs: 7_200_000, fileTimeoutMs: 28_800_000 };

export const LANES: Readonly<Record<LaneName, Lane>> = {
  unit: { kind: 'works', needsServer: false, ...SHORT },
  integration: { kind: 'works', needsServer: true, ...SHORT },
  e2e: { kind: 'waits', needsServer: true, ...SHORT },
  slow: { kind: 'works', needsServer: true, ...LONG },
  faults: { kind: 'waits', needsServer: true, ...LONG },
  chaos: { kind: 'waits', needsServer: true, ...LONG },
};

/**
 * The files that take longest, longest first (`--durations` shows what is true today). They begin first, so that none is
 * left to run alone at the end; a place that is no longer right costs seconds and nothing else.
 */
export const LONG_FILES: readonly string[] = [
  'test/e2e/recorded-candles.test.ts',
  'test/e2e/replicas.test.ts',
  'test/e2e/zoo-wires.test.ts',
  'test/e2e/chaos.test.ts',
  'test/e2e/live.test.ts',
  'test/e2e/page.test.ts',
  'test/e2e/live-stream.test.ts',
  'test/unit/ingest/ingest-service.test.ts',
  'test/integration/ingest.test.ts',
  'test/e2e/exchange-faults.test.ts',
  'test/e2e/migration-faults-replicas.test.ts',
  'test/unit/jobs/scheduler-shared.test.ts',
  'test/integration/embedded-server.test.ts',
  'test/e2e/migration-faults-readers.test.ts',
  'test/e2e/database-faults.test.ts',
];

export function isLaneName(word: string): word is LaneName {
  return Object.hasOwn(LANES, word);
}

/** A lane's test files, relative to the repository, in the order in which they begin. */
export async function listTestFiles(lane: LaneName): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob(`test/${lane}/**/*.test.ts`, { cwd: ROOT })) files.push(file.replaceAll('\\', '/'));
  return orderFiles(files);
}

/** Those of LONG_FILES first, then by name. */
export function orderFiles(files: readonly string[]): string[] {
  const rank = (file: string) => (LONG_FILES.includes(file) ? LONG_FILES.indexOf(file) : LONG_FILES.length);
  return files.toSorted((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
}
