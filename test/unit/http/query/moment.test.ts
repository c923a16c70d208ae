import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMoment } from '../../../../src/http/query/moment.ts';

describe('parseMoment', () => {
  it('reads ISO 8601, in UTC where no offset is named', () => {
    const expected = Date.UTC(2026, 0, 31, 8);
    for (const text of [
      '2026-01-31T08:00:00.000Z',
      '2026-01-31T08:00:00Z',
      '2026-01-31T08:00Z',
      '2026-01-31T08:00:00',
      '2026-01-31T10:00:00+02:00',
      '2026-01-31T10:00:00 02:00',
    ])
      assert.equal(parseMoment(text), expected, text);
    assert.equal(parseMoment('2026-01-31'), Date.UTC(2026, 0, 31));
  });

  it('reads epoch milliseconds, 0 too', () => {
    assert.equal(parseMoment('1769846400000'), 1_769_846_400_000);
    assert.equal(parseMoment('0'), 0);
  });

  it('refuses epoch seconds instead of reading them as 1970', () => {
    assert.throws(() => parseMoment('1769846400'), /epoch seconds.*1769846400000/);
  });

  it('refuses everything else', () => {
    for (const text of [
      '',
      'yesterday',
      '2026',
      '2026-02-30',
      '2026-13-01',
      '2026-01-31T25:00Z',
      '-1',
      '1e12',
      '9999999999999999',
      // A date without its dashes would be read as a moment of 1970.
      '20261101',
    ])
      assert.throws(() => parseMoment(text), RangeError, text);
  });
});
