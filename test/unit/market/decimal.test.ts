import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { compareDecimals, isDecimal, parseDecimal } from '../../../src/market/decimal.ts';

const compare = (a: string, b: string) => Math.sign(compareDecimals(parseDecimal(a), parseDecimal(b)));

describe('parseDecimal', () => {
  for (const text of ['0', '0.00002452', '12345678901234', '1.10', '-0.0001', '2663107.29999999861'])
    it(`keeps every digit of ${text}`, () => assert.equal(parseDecimal(text), text));

  const written: [unknown, string][] = [
    ['1.2e-05', '0.000012'],
    ['1e21', '1000000000000000000000'],
    ['-1.5E3', '-1500'],
    ['123.456e1', '1234.56'],
    [1.2e-7, '0.00000012'],
    [42, '42'],
  ];
  for (const [value, text] of written)
    it(`writes ${String(value)} out as ${text}`, () => assert.equal(parseDecimal(value), text));

  for (const value of [
    '',
    ' 1',
    '1,5',
    'NaN',
    'Infinity',
    NaN,
    Infinity,
    null,
    undefined,
    {},
    '0x10',
    '1e999',
    '.5',
    '5.',
    '9'.repeat(61),
  ])
    it(`refuses ${inspect(value).slice(0, 20)}`, () => assert.throws(() => parseDecimal(value), RangeError));
});

describe('compareDecimals', () => {
  it('compares exactly, whatever the scale', () => {
    assert.equal(compare('1.10', '1.1'), 0);
    assert.equal(compare('0.1', '0.09999999999999999999'), 1);
    assert.equal(compare('99999999999999999999', '100000000000000000000'), -1);
    assert.equal(compare('-2', '-1'), -1);
    assert.equal(compare('-0.0', '0'), 0);
    assert.equal(compare('-1', '1'), -1);
  });

  it('knows which texts are decimals', () => assert.ok(isDecimal('1.0') && !isDecimal('1e3')));
});
