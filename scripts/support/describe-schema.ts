import { groupDeferred, type DeferredStep } from '../../src/db/migrator/schema-status.ts';

/** Deferred steps for a person: what, why, and what to do. */
export function describeDeferred(deferred: readonly DeferredStep[]): string[] {
  return groupDeferred(deferred).flatMap(({ steps, reason, remedy }) => [
    `deferred:    ${steps.join(', ')}`,
    `  why:       ${reason}`,
    `  remedy:    ${remedy}`,
  ]);
}
