import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveMarkets } from '../../../src/market/resolve-markets.ts';

const list = (...symbols: string[]) =>
  symbols.map((text) => {
    const [symbol = '', flag] = text.split(' ');
    const [base = '', quote = ''] = symbol.split('/');
    return { exchange: 'binance', symbol, base, quote, active: flag !== 'halted', hasPerpetual: false };
  });
const pattern = (symbol: string, exchange = 'binance') => ({ exchange, symbol });
const INSTRUMENTS = list('BTC/USDT', 'ETH/USDT', 'ETH/BTC', 'LUNA/USDT halted', 'BTC/USDC');

describe('resolveMarkets', () => {
  it('takes the active markets of a wildcard, each once, and of this exchange only', () => {
    const patterns = [pattern('*/USDT'), pattern('BTC/USDT'), pattern('ETH/BTC', 'kraken')];
    const { instruments, unknown } = resolveMarkets('binance', patterns, INSTRUMENTS);
    assert.deepEqual(
      instruments.map(({ symbol }) => symbol),
      ['BTC/USDT', 'ETH/USDT'],
    );
    assert.deepEqual(unknown, []);
  });

  it('takes a halted market that is named: its history exists', () => {
    const { instruments } = resolveMarkets('binance', [pattern('LUNA/USDT')], INSTRUMENTS);
    assert.deepEqual(
      instruments.map(({ symbol }) => symbol),
      ['LUNA/USDT'],
    );
  });

  it('names the nearest markets of one that does not exist', () => {
    const reasonOf = (symbol: string) => resolveMarkets('binance', [pattern(symbol)], INSTRUMENTS).unknown[0]?.reason;
    assert.equal(reasonOf('BTC/USTD'), 'binance has no market BTC/USTD; did you mean BTC/USDT or BTC/USDC?');
    assert.equal(reasonOf('BTC/ETH'), 'binance has no market BTC/ETH; did you mean ETH/BTC?');
    assert.equal(reasonOf('DOGECOIN/EUR'), 'binance has no market DOGECOIN/EUR');
  });

  it('names a wildcard that takes nothing, also where only halted markets match', () => {
    const unmatched = (symbol: string) => resolveMarkets('binance', [pattern(symbol)], INSTRUMENTS).unmatched;
    assert.deepEqual(unmatched('*/XYZ'), ['binance:*/XYZ matches no active market of binance; correct MARKETS']);
    assert.deepEqual(unmatched('LUNA/*'), ['binance:LUNA/* matches no active market of binance; correct MARKETS']);
    assert.deepEqual(unmatched('*/USDT'), []);
  });
});
