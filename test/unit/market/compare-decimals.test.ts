import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compareDecimals, type Decimal } from '../../../src/market/decimal.ts';

it('orders decimals exactly, also those that are one float', () => {
  const ascending = [
    '-2',
    '-0.10000000000000000001',
    '-0.1',
    '0',
    '0.1',
    '0.10000000000000000001',
    '0.2',
    '12345678901234567.8',
    '12345678901234567.9',
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries())
      assert.equal(Math.sign(compareDecimals(a as Decimal, b as Decimal)), Math.sign(i - j), `${a} against ${b}`);
  }
  for (const [a, b] of [
    ['1.10', '1.1'],
    ['0', '-0.0'],
    ['007', '7'],
  ] as const)
    assert.equal(Math.sign(compareDecimals(a as Decimal, b as Decimal)), 0, `${a} against ${b}`);
});
