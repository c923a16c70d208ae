import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redirectUrls } from '../../../../src/exchanges/ccxt/ccxt-client.ts';
import {
  findExchangeFault,
  findSimilarExchanges,
  isKnownExchange,
} from '../../../../src/exchanges/ccxt/ccxt-library.ts';

describe('isKnownExchange', () => {
  it('knows the exchanges of ccxt', () => {
    for (const id of ['binance', 'bybit', 'okx', 'kraken', 'gate']) assert.ok(isKnownExchange(id), id);
  });

  it('knows nothing else, and follows no path', () => {
    for (const id of [
      'binnance',
      'Binance',
      '',
      'base/Exchange',
      '../ccxt',
      'pro/binance',
      'binance.js',
      'binance ',
      '%62inance',
      '__proto__',
    ])
      assert.ok(!isKnownExchange(id), id);
  });
});

describe('findSimilarExchanges', () => {
  it('finds what was meant', () => {
    assert.equal(findSimilarExchanges('binnance')[0], 'binance');
    assert.equal(findSimilarExchanges('Kraken')[0], 'kraken');
    assert.ok(findSimilarExchanges('coinb').includes('coinbase'));
    assert.deepEqual(findSimilarExchanges('nothinglikethis'), []);
  });
});

describe('findExchangeFault', () => {
  it('says what is wrong and what may have been meant', () => {
    assert.equal(findExchangeFault('binance'), null);
    assert.match(
      findExchangeFault('binnance') ?? '',
      /"binnance" is not an exchange that ccxt knows; did you mean binance/,
    );
    assert.match(findExchangeFault('nothinglikethis') ?? '', /docs\.ccxt\.com/);
  });
});

describe('redirectUrls', () => {
  it('replaces every origin and keeps paths, placeholders and kinds', () => {
    const urls = {
      public: 'https://api.binance.com/api/v3',
      rest: 'https://{hostname}',
      ws: { spot: 'wss://stream.binance.com:9443/ws' },
      n: 1,
    };
    assert.deepEqual(redirectUrls(urls, 'http://127.0.0.1:9001'), {
      public: 'http://127.0.0.1:9001/api/v3',
      rest: 'http://127.0.0.1:9001',
      ws: { spot: 'ws://127.0.0.1:9001/ws' },
      n: 1,
    });
    assert.deepEqual(redirectUrls(['wss://a.example/x'], 'https://mirror.example'), ['wss://mirror.example/x']);
  });
});
