import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeSnapshots } from '../../../../src/db/commit/upsert-snapshots.ts';
import type { Decimal } from '../../../../src/market/decimal.ts';

const decimal = (text: string) => text as Decimal;

describe('mergeSnapshots', () => {
  it('joins the metrics of one time, oldest first, and drops snapshots that say nothing', () => {
    const merged = mergeSnapshots([
      { timestamp: 7, mark_price: decimal('1.10') },
      { timestamp: 9 },
      { timestamp: 3, funding_rate: decimal('-0.1') },
      { timestamp: 7, open_interest: decimal('5'), mark_price: decimal('1.1') },
    ]);
    assert.deepEqual(merged, [
      { timestamp: 3, funding_rate: '-0.1' },
      { timestamp: 7, mark_price: '1.10', open_interest: '5' },
    ]);
  });

  it('refuses two values of one metric at one time', () => {
    const contradiction = [
      { timestamp: 0, mark_price: decimal('1') },
      { timestamp: 0, mark_price: decimal('2') },
    ];
    assert.throws(() => mergeSnapshots(contradiction), {
      code: 'SNAPSHOTS_CONTRADICT',
      message: /mark_price at 1970-01-01T00:00:00.000Z is given as 1 and as 2/,
    });
  });
});
