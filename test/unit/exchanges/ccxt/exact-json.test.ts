import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { quoteInexactNumbers } from '../../../../src/exchanges/ccxt/exact-json.ts';

describe('quoteInexactNumbers', () => {
  it('keeps the digits that a float would lose', () => {
    const quoted = quoteInexactNumbers('{"data": [[1706637600000, 2663107.29999999861, 0.10, 1.2e-7, -0.5]]}');
    assert.deepEqual(JSON.parse(quoted), { data: [[1706637600000, '2663107.29999999861', '0.10', '1.2e-7', '-0.5']] });
  });

  it('quotes whole numbers only beyond what a float holds', () => {
    assert.deepEqual(JSON.parse(quoteInexactNumbers('[9007199254740991, 9007199254740993, 12345678901234567890]')), [
      9007199254740991,
      '9007199254740993',
      '12345678901234567890',
    ]);
  });

  it('leaves text without such numbers as it is, and the inside of strings alone', () => {
    const exact = '[[1706637600000,"43519.34000000",3743]]';
    assert.equal(quoteInexactNumbers(exact), exact);
    assert.deepEqual(JSON.parse(quoteInexactNumbers('{"note": "a, 1.50 b: 2e9", "x": [true, null]}')), {
      note: 'a, 1.50 b: 2e9',
      x: [true, null],
    });
  });
});
