import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDecimal } from '../../../src/market/decimal.ts';
import { findOpenInterestDeviation } from '../../../src/market/futures-cross-check.ts';

const check = (interest: string, price: string, value: string, tolerance?: string) =>
  findOpenInterestDeviation(
    {
      timestamp: 0,
      open_interest: parseDecimal(interest),
      mark_price: parseDecimal(price),
      open_interest_value: parseDecimal(value),
    },
    ...(tolerance === undefined ? [] : [parseDecimal(tolerance)]),
  );

describe('findOpenInterestDeviation', () => {
  it('accepts the value that the exchange computed itself', () =>
    // A row of Bybit's, of one moment.
    assert.equal(check('69604.924', '68591.46', '4774303360.35', '0.0000000001'), null));

  it('accepts 5 % to the last digit and refuses the next one, in both directions', () => {
    assert.equal(check('10', '100', '1050'), null);
    assert.equal(check('10', '100', '950.000000000000000000'), null);
    assert.equal(check('10', '100', '1050.000000000000000001')?.deviation, '0.050000');
    assert.equal(check('10', '100', '949.999999999999999999')?.deviation, '-0.050000');
  });

  it('tells what it expected, exactly', () =>
    assert.deepEqual(check('2663107.29999999861', '0.00002452', '100'), {
      timestamp: 0,
      value: '100',
      expected: '65.2993909959999659172',
      deviation: '0.531408',
    }));

  it('finds a value in another unit', () => {
    assert.equal(check('69604.924', '68591.46', '69604.924')?.deviation, '-0.999985');
    assert.equal(check('2', '3', '600')?.deviation, '99.000000');
  });

  it('has no share of nothing', () => {
    assert.equal(check('0', '100', '0.00'), null);
    assert.deepEqual(check('0.0', '100', '1')?.deviation, null);
  });

  it('says nothing where one of the three is not known', () => {
    const one = parseDecimal('1');
    const full = { timestamp: 0, open_interest: one, mark_price: one, open_interest_value: parseDecimal('9') };
    assert.notEqual(findOpenInterestDeviation(full), null);
    for (const missing of ['open_interest', 'mark_price', 'open_interest_value']) {
      const rest = Object.fromEntries(Object.entries(full).filter(([name]) => name !== missing));
      assert.equal(findOpenInterestDeviation({ timestamp: 0, ...rest }), null, missing);
    }
  });
});
