import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { APPROACHES, frameRequest } from '../../../../src/ingest/collector/frame-request.ts';

const STEP = 60_000;
const at = (slot: number) => slot * STEP;
const range = (since: number, until: number) => ({ since: at(since), until: at(until) });
const rules = { stepMs: STEP, pageSlots: 100 };

describe('frameRequest', () => {
  it('takes in the rows on both sides, and one slot more on either', () => {
    const frame = { before: at(9), after: at(13) };
    assert.deepEqual(frameRequest(range(10, 13), frame, rules), range(8, 15));
    assert.deepEqual(frameRequest(range(10, 13), frame, rules, 'open'), range(10, 15));
    assert.deepEqual(frameRequest(range(10, 60), { before: at(9), after: at(60) }, rules, 'end'), range(50, 62));
  });

  it('begins a slot earlier where nothing is stored before it: an exchange may leave out the very first', () => {
    assert.deepEqual(frameRequest(range(10, 13), { before: null, after: null }, rules), range(9, 13));
  });

  it('leaves out rows that are farther away than a page reaches', () => {
    assert.deepEqual(frameRequest(range(10, 13), { before: at(-500), after: at(700) }, rules), range(10, 13));
    assert.deepEqual(frameRequest(range(10, 13), { before: at(-500), after: at(50) }, rules), range(10, 52));
  });

  it('is never longer than a page, and always asks for something of the range', () => {
    const slot = fc.integer({ min: 0, max: 400 });
    fc.assert(
      fc.property(slot, slot, slot, slot, fc.constantFrom(...APPROACHES), (first, length, below, above, approach) => {
        const asked = range(1000 + first, 1000 + first + 1 + (length % 96));
        const frame = {
          before: below % 5 === 0 ? null : asked.since - at(1 + below),
          after: above % 5 === 0 ? null : asked.until + at(above),
        };
        const request = frameRequest(asked, frame, rules, approach);
        assert.ok(request.until - request.since <= at(rules.pageSlots));
        assert.ok(request.since < request.until && request.until >= asked.until - STEP);
        assert.ok(Math.max(request.since, asked.since) < Math.min(request.until, asked.until));
        assert.equal((request.since % STEP) + (request.until % STEP), 0);
      }),
    );
  });
});
