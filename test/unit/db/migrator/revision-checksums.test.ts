import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { loadRevisions } from '../../../../src/db/migrator/revisions.ts';

const RECORDED = new URL('../../../fixtures/revision-checksums.json', import.meta.url);

describe('released revisions', () => {
  it('are never edited: databases out there have run them as they were', async () => {
    const recorded = JSON.parse(await readFile(RECORDED, 'utf8')) as Record<string, string>;
    const found = Object.fromEntries((await loadRevisions()).map(({ name, checksum }) => [name, checksum]));
    assert.deepEqual(
      found,
      recorded,
      'a revision was edited (restore it, and write a new one), or is new (add its line to test/fixtures/revision-checksums.json)',
    );
  });

  it('hold nothing of the template', async () => {
    const unfilled = (await loadRevisions()).filter(({ unfilledLines }) => unfilledLines.length > 0);
    assert.deepEqual(unfilled, []);
  });
});
