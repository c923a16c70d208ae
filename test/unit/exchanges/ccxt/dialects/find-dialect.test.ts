import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findDialect } from '../../../../../src/exchanges/ccxt/dialects/find-dialect.ts';
import type { CcxtInstance } from '../../../../../src/exchanges/ccxt/ccxt-library.ts';

const dialectOf = (id: string, limit?: unknown) =>
  findDialect({ id, features: { spot: { fetchOHLCV: { limit } } } as CcxtInstance['features'] });

describe('findDialect', () => {
  it('takes the page from ccxt, at most a thousand candles, and a hundred where it does not know', () => {
    assert.deepEqual(
      [300, 5_000, 0, undefined, '500'].map((limit) => dialectOf('nobody', limit).candleLimit),
      [300, 1_000, 100, 100, 100],
    );
    assert.equal(
      findDialect({ id: 'nobody', features: undefined as unknown as CcxtInstance['features'] }).candleLimit,
      100,
    );
  });

  it('says nothing of exchanges that were not looked into', () => {
    const { confirmColumn, closingTime, futuresFeeds } = dialectOf('kraken');
    assert.deepEqual([confirmColumn, closingTime, futuresFeeds.size], [null, null, 0]);
  });

  it('knows where rows tell when a candle closes', () => {
    assert.deepEqual(
      ['binanceus', 'bingx', 'mexc', 'hyperliquid'].map((id) => dialectOf(id).closingTime),
      [6, 6, 6, 'T'],
    );
  });

  it('knows where OKX and its regional houses confirm candles, and the futures feeds of OKX and Bybit', () => {
    const known = ['okx', 'okxus', 'myokx', 'bybit'].map((id) => {
      const { confirmColumn, futuresFeeds } = dialectOf(id);
      return [id, confirmColumn, [...futuresFeeds.keys()].join()];
    });
    assert.deepEqual(known, [
      ['okx', 8, 'open_interest,funding_rate,mark_price'],
      ['okxus', 8, ''],
      ['myokx', 8, ''],
      ['bybit', null, 'open_interest,funding_rate,mark_price'],
    ]);
  });
});
