import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMoment, readFileMoment, readIso, toIso } from '../../../src/market/moments.ts';

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
      // As files and databases write it.
      '2026-01-31 08:00',
      '2026-01-31 08:00:00.000',
      '2026-01-31T10:00+0200',
      '2026-01-31 10:00 02:00',
    ])
      assert.equal(parseMoment(text), expected, text);
    assert.equal(parseMoment('2026-01-31'), Date.UTC(2026, 0, 31));
    assert.equal(parseMoment('2026-01-31T08:00:00.123456Z'), expected + 123, 'cut to milliseconds');
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
      '2026-02-30T00:00Z',
      '2026-01-31T08:00 ',
      '2026-01-31T08:00+24:00',
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

describe('readFileMoment', () => {
  it('reads ISO 8601 with and without a zone, milliseconds and microseconds', () => {
    const expected = Date.UTC(2025, 0, 1, 12, 34);
    for (const text of [
      '2025-01-01T12:34:00.000Z',
      '2025-01-01T12:34:00.000Z',
      '2025-01-01T12:34Z',
      '2025-01-01 12:34:00',
      '2025-01-01 12:34:00+00:00',
      '2025-01-01T14:34:00.000000+0200',
      String(expected),
      `${expected}000`,
    ])
      assert.equal(readFileMoment(text), expected, text);
    assert.equal(readFileMoment('2025-01-01'), Date.UTC(2025, 0, 1));
    assert.equal(readFileMoment('2025-01-01T00:00:00.000Z'), Date.UTC(2025, 0, 1));
  });

  it('refuses everything else', () => {
    for (const text of [
      '',
      '2025-13-01',
      '2025-01-01T24:61:00.000Z',
      '2025-01-01T12:60:00.000Z',
      '1735734840000001',
      '12',
      '01.02.2025',
      '2025-02-30T00:00:00.000Z',
      '2025-02-30',
      '2025-01-01T12:34:00.0001Z',
      '2025-01-01T12:34:00 02:00',
      '2025-01-01T1:2',
    ])
      assert.equal(readFileMoment(text), null, text);
  });
});

describe('readIso and toIso', () => {
  it('are each the other way of the other', () => {
    assert.equal(toIso(Date.UTC(2024, 1, 29, 1)), '2024-02-29T01:00:00.000Z');
    assert.equal(readIso('2024-02-29T01:00:00.000Z'), Date.UTC(2024, 1, 29, 1));
    assert.equal(toIso(null), null);
    assert.equal(readIso('1700000000000'), null);
  });
});
