import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instantiateExchange, type CcxtInstance } from '../../../../src/exchanges/ccxt/ccxt-library.ts';
import { findDialect } from '../../../../src/exchanges/ccxt/dialects/find-dialect.ts';
import { keepColumns } from '../../../../src/exchanges/ccxt/keep-columns.ts';

const parserOf = (instance: CcxtInstance) => instance as CcxtInstance & { parseOHLCV: (row: unknown) => unknown };
const parse = (instance: CcxtInstance, row: unknown): unknown => parserOf(instance).parseOHLCV(row);

describe('keepColumns', () => {
  it('keeps what each exchange says of the closing time, behind the six columns of its client', async () => {
    const list = [1640804880000, '2.50', '3.0', '1', '2', '7', 1640804940000, '168387.3'];
    const fields = {
      t: 1640804880000,
      T: 1640804939999,
      o: '2.50',
      h: '3.0',
      l: '1',
      c: '2',
      v: '7',
      s: 'ETH',
      i: '1m',
    };
    for (const [id, row, closing] of [
      ['binanceus', list, 1640804940000],
      ['bingx', list, 1640804940000],
      ['mexc', list, 1640804940000],
      ['hyperliquid', fields, 1640804939999],
    ] as const) {
      const instance = await instantiateExchange(id, { number: String });
      const { closingTime } = findDialect(instance);
      assert.deepEqual(keepColumns(instance, { confirm: null, closing: closingTime }), { confirm: null, closing: 6 });
      assert.deepEqual(parse(instance, row), [1640804880000, '2.50', '3.0', '1', '2', '7', closing], id);
    }
  });

  it('keeps several, and undefined where a row has it not', async () => {
    const instance = await instantiateExchange('okx', { number: String });
    const { confirmColumn } = findDialect(instance);
    assert.deepEqual(keepColumns(instance, { far: 20, confirm: confirmColumn }), { far: 6, confirm: 7 });
    const row = ['1640804880000', '2', '3', '1', '2', '7', '7', '7', '1'];
    assert.deepEqual(parse(instance, row), [1640804880000, '2', '3', '1', '2', '7', undefined, '1']);
  });

  it('changes nothing where nothing is to be kept', async () => {
    const instance = await instantiateExchange('kraken', { number: String });
    const before = parserOf(instance).parseOHLCV;
    assert.deepEqual(keepColumns(instance, { closing: null }), { closing: null });
    assert.equal(parserOf(instance).parseOHLCV, before);
  });
});
