import { sql } from 'kysely';
import { messageOf, sqlStateOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { AnyKysely } from '../catalog.ts';
import { recordHistory } from './history.ts';
import { withLockRetries } from './lock-retry.ts';
import type { MigrationSession } from './migration-session.ts';
import type { DeferredStep, PlannedStep, StepStatus } from './schema-status.ts';
import type { DeferrableStep, StepOptions, StepState } from './steps/deferrable-step.ts';
import { hypertables } from './steps/hypertables.ts';
import { timescaledbExtension } from './steps/timescaledb-extension.ts';
import { uniquePredictionOutcomes } from './steps/unique-prediction-outcomes.ts';

/** In the order in which they are tried: hypertables need the extension, and unique keys come before them. */
export const STEPS: readonly DeferrableStep[] = [uniquePredictionOutcomes, timescaledbExtension, ...hypertables];

/** A step can wait for the next boot or upgrade, and so holds up this one no longer than this for a lock. */
const LOCK_PATIENCE_MS = 3_000;

/** A step and where it stands, seen just now. */
export interface ProbedStep {
  readonly step: DeferrableStep;
  readonly state: StepState;
}

/** Looks where each step of the revisions that have run stands. */
export async function probeSteps(
  db: AnyKysely,
  applied: readonly string[],
  options: StepOptions = {},
): Promise<ProbedStep[]> {
  const probed: ProbedStep[] = [];
  for (const step of STEPS) {
    if (applied.includes(step.revision)) probed.push({ step, state: await step.probe(db, options) });
  }
  return probed;
}

/** Those of them that are due. */
export function pickDeferred(steps: readonly StepStatus[]): DeferredStep[] {
  return steps.flatMap(({ step, revision, reason, remedy }) =>
    reason === null || remedy === null ? [] : [{ step, revision, reason, remedy }],
  );
}

/** What is told of a step. `failures`: what the last try of a step ended with, where it failed. */
export function describeStep(
  { step: { name, revision }, state }: ProbedStep,
  failures: ReadonlyMap<string, string> = new Map(),
): StepStatus {
  switch (state.state) {
    case 'applied':
      return { step: name, revision, state: 'applied', reason: null, remedy: null, remedy_needed: false };
    case 'ready':
      // Simply tried by the next boot or upgrade.
      return {
        step: name,
        revision,
        state: 'due',
        reason: failures.has(name)
          ? `it was tried and failed: ${failures.get(name) ?? ''}`
          : 'nothing stands in its way any more',
        remedy: failures.has(name)
          ? 'mend what the message says; the next boot or make db-upgrade tries again'
          : 'make db-upgrade, or restart the service',
        remedy_needed: true,
      };
    case 'blocked': {
      const { reason, remedy, isRemedyNeeded } = state;
      return { step: name, revision, state: 'due', reason, remedy, remedy_needed: isRemedyNeeded };
    }
  }
}

/**
 * What an upgrade that ends with the revisions `applied` would do about each step, as the catalog stands now: a step
 * that waits for the extension is `apply` where the extension itself can be made.
 */
export async function planSteps(
  db: AnyKysely,
  applied: readonly string[],
  options: StepOptions = {},
): Promise<PlannedStep[]> {
  const plan: PlannedStep[] = [];
  const assumeTimescaledb = (await timescaledbExtension.probe(db)).state === 'ready';
  for (const step of STEPS) {
    if (!applied.includes(step.revision)) continue;
    const state = await step.probe(db, { ...options, assumeTimescaledb });
    if (state.state === 'applied') continue;
    const blocked = state.state === 'blocked' ? state : null;
    plan.push({
      step: step.name,
      revision: step.revision,
      action: blocked ? 'defer' : 'apply',
      reason: blocked?.reason ?? null,
      remedy: blocked?.remedy ?? null,
    });
  }
  return plan;
}

export interface StepRun {
  readonly applied: readonly string[];
  readonly actor: string;
  readonly options?: StepOptions;
  readonly signal?: AbortSignal | undefined;
  readonly logger: Logger;
}

/**
 * Tries every due step that is ready, each in a transaction of its own and with a row in the history; one that fails
 * stays due and stops nothing.
 *
 * @returns the names of those that were applied.
 */
export async function applyReadySteps(
  session: MigrationSession,
  { applied, actor, options = {}, signal, logger }: StepRun,
): Promise<string[]> {
  const stepsApplied: string[] = [];
  for (const step of STEPS) {
    if (!applied.includes(step.revision) || (await step.probe(session.kysely, options)).state !== 'ready') continue;
    const { name, revision } = step;
    try {
      const subject = { action: 'step', subject: name, checksum: null, actor } as const;
      const patience = { subject: name, deadline: Date.now() + LOCK_PATIENCE_MS, signal, logger };
      const { durationMs } = await recordHistory(session, subject, () =>
        withLockRetries(session, patience, () => applyStep(session, step)),
      );
      logger.info({ step: name, revision, duration_ms: durationMs }, 'deferrable step applied');
      stepsApplied.push(name);
    } catch (error) {
      signal?.throwIfAborted();
      // A session that broke is no verdict on the step: let the caller see it.
      await sql`select 1`.execute(session.kysely);
      logger.warn(
        { step: name, revision, reason: messageOf(error), sqlState: sqlStateOf(error) },
        'deferrable step failed and stays due',
      );
    }
  }
  return stepsApplied;
}

async function applyStep(session: MigrationSession, step: DeferrableStep): Promise<void> {
  await session.announce(step.name);
  if (step.ownSession) {
    await using own = await session.openAnother('login');
    await step.apply(own.kysely);
  } else {
    await session.kysely.transaction().execute((trx) => step.apply(trx));
  }
}
