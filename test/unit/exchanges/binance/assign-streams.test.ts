import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assignStreams } from '../../../../src/exchanges/binance/assign-streams.ts';

const sets = (...lines: string[]): Set<string>[] => lines.map((line) => new Set(line));

describe('assignStreams', () => {
  it('fills lines up to their capacity', () => {
    assert.deepEqual(assignStreams([], new Set('abcde'), 2), sets('ab', 'cd', 'e'));
    assert.deepEqual(assignStreams([], new Set(), 2), []);
  });

  it('leaves a stream where it is and gives new ones the room that others left', () => {
    assert.deepEqual(assignStreams(sets('abc', 'def'), new Set('acdefxyz'), 3), sets('acx', 'def', 'yz'));
  });

  it('fills a line that was emptied only when the others are full', () => {
    assert.deepEqual(assignStreams(sets('ab', 'c'), new Set('cx'), 2), sets('', 'cx'));
    assert.deepEqual(assignStreams(sets('ab', 'c'), new Set('cxyzv'), 2), sets('yz', 'cx', 'v'));
  });

  it('keeps the place of a line of which nothing is left', () => {
    assert.deepEqual(assignStreams(sets('ab', 'cd'), new Set('cd'), 2), sets('', 'cd'));
  });
});
