import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isExchangeId,
  isSymbol,
  isWildcard,
  matchesPattern,
  readExchangeId,
  readSymbol,
} from '../../../src/market/instrument.ts';
import { FUTURES_SLOT_MS, toFuturesSlot } from '../../../src/market/futures-snapshot.ts';

const matches = (pattern: string, symbol: string, exchange = 'binance') =>
  matchesPattern({ exchange: 'binance', symbol: pattern }, { exchange, symbol });

describe('market patterns', () => {
  it('match one symbol, or any currency in the place of a *', () => {
    assert.ok(matches('BTC/USDT', 'BTC/USDT') && !matches('BTC/USDT', 'BTC/USDC'));
    assert.ok(matches('*/USDT', 'ETH/USDT') && !matches('*/USDT', 'ETH/BTC') && matches('*/*', 'ETH/BTC'));
    assert.ok(!matches('*/USDT', 'BTC/USDT:USDT'), 'a perpetual is another market');
    assert.ok(!matches('*/USDT', 'ETH/USDT', 'okx'));
    assert.ok(isWildcard({ exchange: 'binance', symbol: '*/USDT' }));
  });
});

describe('names', () => {
  it('are read as people write them, and told as they are kept', () => {
    assert.equal(readExchangeId('Binance'), 'binance');
    assert.equal(readSymbol('btc/usdt'), 'BTC/USDT');
    assert.equal(readSymbol('币安/usdt'), '币安/USDT');
    assert.equal(readSymbol('*/eur'), '*/EUR');
  });

  it('are refused where nothing can have them', () => {
    for (const text of ['', 'bin ance', 'binance:', 'a'.repeat(41)]) assert.equal(readExchangeId(text), null, text);
    for (const text of ['', 'BTCUSDT', 'BTC/USDT:USDT', 'A/B/C', 'A,B/C', '"A"/B', `${'A'.repeat(60)}/B`])
      assert.equal(readSymbol(text), null, text);
    assert.ok(!isExchangeId('Binance') && isExchangeId('binance') && isSymbol('BTC/USDT'));
  });
});

describe('futures slots', () => {
  it('take in the 0 to 19 ms that exchanges stamp funding after the hour', () => {
    const slot = 10 * FUTURES_SLOT_MS;
    for (const offset of [0, 1, 19]) assert.equal(toFuturesSlot(slot + offset), slot);
    assert.equal(toFuturesSlot(slot - 3), slot);
  });
});
