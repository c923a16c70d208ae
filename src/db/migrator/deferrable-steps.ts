import { sql } from 'kysely';
import { messageOf, sqlStateOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { AnyKysely } from '../catalog.ts';
import type { MigrationSession } from './migration-session.ts';
import type { DeferredStep, PlannedStep } from './schema-status.ts';
import type { DeferrableStep, StepState } from './steps/deferrable-step.ts';
import { hypertables } from './steps/hypertables.ts';
import { timescaledbExtension } from './steps/timescaledb-extension.ts';
import { uniquePredictionOutcomes } from './steps/unique-prediction-outcomes.ts';

/** In the order in which they are tried: hypertables need the extension, and unique keys come before them. */
const STEPS: readonly DeferrableStep[] = [uniquePredictionOutcomes, timescaledbExtension, ...hypertables];

export interface DueStep {
  readonly step: DeferrableStep;
  readonly state: Exclude<StepState, { state: 'applied' }>;
}

/** The steps of revisions that have run and whose result is not in the catalog. */
export async function listDueSteps(db: AnyKysely, applied: readonly string[]): Promise<DueStep[]> {
  const due: DueStep[] = [];
  for (const step of STEPS) {
    if (!applied.includes(step.revision)) continue;
    const state = await step.probe(db);
    if (state.state !== 'applied') due.push({ step, state });
  }
  return due;
}

/** How a due step is told: one that is ready is simply tried by the next boot or upgrade. */
export function describeDueStep({ step, state }: DueStep): DeferredStep {
  const { reason, remedy } =
    state.state === 'blocked'
      ? state
      : { reason: 'nothing stands in its way any more', remedy: 'make db-upgrade, or restart the service' };
  return { step: step.name, revision: step.revision, reason, remedy };
}

/**
 * What an upgrade that ends with the revisions `applied` would do about each step, as the catalog stands now: a step
 * that waits for the extension is `apply` where the extension itself can be made.
 */
export async function planSteps(db: AnyKysely, applied: readonly string[]): Promise<PlannedStep[]> {
  const plan: PlannedStep[] = [];
  const extension = await timescaledbExtension.probe(db);
  for (const step of STEPS) {
    if (!applied.includes(step.revision)) continue;
    const state = await step.probe(db);
    if (state.state === 'applied') continue;
    const follows = hypertables.includes(step) && extension.state === 'ready';
    const blocked = state.state === 'blocked' && !follows ? state : null;
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

/**
 * Tries every due step that is ready, each in a transaction of its own; one that fails stays due and stops nothing.
 *
 * @returns the names of those that were applied, and what is still due.
 */
export async function applyDueSteps(
  session: MigrationSession,
  applied: readonly string[],
  logger: Logger,
): Promise<{ stepsApplied: string[]; deferred: DeferredStep[] }> {
  const stepsApplied: string[] = [];
  const deferred: DeferredStep[] = [];
  for (const step of STEPS) {
    if (!applied.includes(step.revision)) continue;
    const state = await step.probe(session.kysely);
    if (state.state === 'applied') continue;
    const failure = state.state === 'ready' ? await tryStep(session, step) : null;
    if (state.state === 'ready' && failure === null) {
      logger.info({ step: step.name, revision: step.revision }, 'deferrable step applied');
      stepsApplied.push(step.name);
      continue;
    }
    const due = failure ?? describeDueStep({ step, state });
    if (failure !== null) logger.warn({ ...due }, 'deferrable step failed and stays due');
    deferred.push(due);
  }
  return { stepsApplied, deferred };
}

async function tryStep(session: MigrationSession, step: DeferrableStep): Promise<DeferredStep | null> {
  await session.announce(step.name);
  try {
    if (step.ownSession) {
      await using own = await session.openAnother();
      await step.apply(own.kysely);
    } else {
      await session.kysely.transaction().execute((trx) => step.apply(trx));
    }
    return null;
  } catch (error) {
    const code = sqlStateOf(error);
    // A session that broke is no verdict on the step; let the caller see it.
    await sql`select 1`.execute(session.kysely);
    return {
      step: step.name,
      revision: step.revision,
      reason: `it was tried and failed: ${messageOf(error)}${code === null ? '' : ` (SQLSTATE ${code})`}`,
      remedy: 'mend what the message says; the next boot or make db-upgrade tries again',
    };
  }
}
