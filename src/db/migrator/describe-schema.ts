import { findTimescaledb } from '../catalog.ts';
import { describeStep, pickDeferred, probeSteps, type ProbedStep } from './deferrable-steps.ts';
import { readChecksums, readStepFailures } from './history.ts';
import type { MigrationSession } from './migration-session.ts';
import type { Revision } from './revisions.ts';
import { headOf, readState, versionOf } from './schema-state.ts';
import type { SchemaStatus } from './schema-status.ts';

/**
 * Where the schema stands against the revisions of this build, read without the lock and without changing anything.
 *
 * @param probed its steps, where they were just looked at.
 */
export async function describeSchema(
  session: MigrationSession,
  revisions: readonly Revision[],
  probed: readonly ProbedStep[] | null = null,
): Promise<SchemaStatus> {
  const state = await readState(session, revisions);
  const checksums = await readChecksums(session);
  const found = probed ?? (await probeSteps(session.kysely, state.applied));
  const isAnyReady = found.some((step) => step.state.state === 'ready');
  const failures = isAnyReady ? await readStepFailures(session) : new Map<string, string>();
  const steps = found.map((step) => describeStep(step, failures));
  return {
    version: versionOf(state),
    head: headOf(revisions),
    schema_name: session.schema,
    applied: state.applied,
    pending: state.pending.map((revision) => revision.name),
    unknown: state.unknown,
    edited: revisions
      .filter(({ name, checksum }) => (checksums.get(name) ?? checksum) !== checksum)
      .map(({ name }) => name),
    steps,
    deferred: pickDeferred(steps),
    timescaledb: (await findTimescaledb(session.kysely))?.version ?? null,
  };
}
