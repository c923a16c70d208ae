import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeStep, pickDeferred } from '../../../../src/db/migrator/deferrable-steps.ts';
import type { DeferrableStep, StepState } from '../../../../src/db/migrator/steps/deferrable-step.ts';

const step: DeferrableStep = {
  name: 'hypertable',
  revision: '0001_a',
  ownSession: false,
  makesKey: null,
  probe: () => Promise.reject(new Error('nobody looks here')),
  apply: () => Promise.reject(new Error('nobody applies it here')),
};
const blocked = (isRemedyNeeded: boolean): StepState => ({
  state: 'blocked',
  reason: 'r',
  remedy: 'm',
  isRemedyNeeded,
});

describe('describeStep', () => {
  it('says whether somebody should do what the remedy says', () => {
    const failures = new Map([['hypertable', 'no room']]);
    for (const [state, isNeeded, failed] of [
      [{ state: 'applied' }, false, undefined],
      [{ state: 'ready' }, true, undefined],
      [{ state: 'ready' }, true, failures],
      [blocked(true), true, undefined],
      [blocked(false), false, undefined],
    ] as const)
      assert.equal(describeStep({ step, state }, failed).remedy_needed, isNeeded, JSON.stringify(state));
  });

  it('leaves what /health tells of a deferred step as it is', () => {
    for (const isNeeded of [true, false]) {
      const status = describeStep({ step, state: blocked(isNeeded) });
      assert.deepEqual(pickDeferred([status]), [{ step: 'hypertable', revision: '0001_a', reason: 'r', remedy: 'm' }]);
    }
  });
});
