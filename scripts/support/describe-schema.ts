import type { DeferredStep } from '../../src/db/migrator/schema-status.ts';

/** Deferred steps for a person: what, why, and what to do. */
export function describeDeferred(deferred: readonly DeferredStep[]): string[] {
  return deferred.flatMap(({ step, reason, remedy }) => [
    `deferred: ${step}`,
    `  why:    ${reason}`,
    `  remedy: ${remedy}`,
  ]);
}
