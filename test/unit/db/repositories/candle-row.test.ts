import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromCandleRow, toCandleArrays, toCopyFields } from '../../../../src/db/repositories/candle-row.ts';
import { candleOf } from '../../../support/candles.ts';

describe('candle rows', () => {
  const candle = candleOf('2024-01-01T00:00:00Z', ['1.10', '2', '0.00002452', '1', '12345678901234.5']);

  it('become candles with their digits and epoch milliseconds', () => {
    assert.deepEqual(fromCandleRow({ ...candle, timestamp: new Date(candle.timestamp) }), candle);
  });

  it('go out as array literals per column and as lines for COPY', () => {
    assert.deepEqual(toCandleArrays([candle, candle])[0], '{2024-01-01T00:00:00.000Z,2024-01-01T00:00:00.000Z}');
    assert.deepEqual(toCandleArrays([candle, candle]).slice(1), [
      '{1.10,1.10}',
      '{2,2}',
      '{0.00002452,0.00002452}',
      '{1,1}',
      '{12345678901234.5,12345678901234.5}',
    ]);
    assert.equal(toCopyFields(candle), '2024-01-01T00:00:00.000Z\t1.10\t2\t0.00002452\t1\t12345678901234.5\n');
  });
});
