import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../../../src/errors.ts';
import { loadCcxtErrors, type CcxtErrors } from '../../../../src/exchanges/ccxt/ccxt-library.ts';
import { mapExchangeError, mapStatus } from '../../../../src/exchanges/ccxt/map-exchange-error.ts';

const call = { exchange: 'binance', subject: 'the 1h candles of BTC/USDT', status: 200 };
const NOW = 1519726640000;

/** What callers tell apart: `rejected symbol`, `unavailable throttled`, `data`. */
function kindOf(error: unknown): string {
  if (error instanceof ExchangeRejectedError) return `rejected ${error.reason}`;
  if (error instanceof ExchangeUnavailableError) return `unavailable ${error.reason}`;
  return error instanceof ExchangeDataError ? 'data' : String(error);
}

describe('mapStatus', () => {
  const table: [number, string | null][] = [
    [200, null],
    [301, 'data'],
    [400, null],
    [401, 'rejected access'],
    [403, 'rejected access'],
    [404, null],
    [407, 'rejected access'],
    [408, 'unavailable unreachable'],
    [418, 'unavailable banned'],
    [429, 'unavailable throttled'],
    [451, 'rejected access'],
    [500, 'unavailable unreachable'],
    [502, 'unavailable unreachable'],
    [503, 'unavailable unreachable'],
  ];
  for (const [status, kind] of table) {
    it(`takes ${status} as ${kind ?? 'what the body says'}`, () => {
      const failure = mapStatus(call, { status, headers: new Headers(), body: '' }, NOW);
      assert.equal(failure === null ? null : kindOf(failure), kind);
      if (failure) assert.match(failure.message, /binance answered \d+ when asked for the 1h candles of BTC\/USDT/);
    });
  }

  it('reads how long to wait', () => {
    const wait = (status: number, headers: Record<string, string>, body = '') => {
      const failure = mapStatus(call, { status, headers: new Headers(headers), body }, NOW);
      return failure instanceof ExchangeUnavailableError ? failure.retryAfterMs : undefined;
    };
    assert.equal(wait(429, { 'Retry-After': '7' }), 7_000);
    assert.equal(wait(429, {}), null);
    assert.equal(wait(503, { 'Retry-After': '3' }), 3_000);
    assert.equal(wait(418, {}, 'IP banned until 1519726649240.'), 10_240);
    assert.equal(wait(418, { 'Retry-After': '5' }, 'IP banned until 1519726649240.'), 10_240, 'the longer one');
  });
});

describe('mapExchangeError', () => {
  let classes: CcxtErrors;
  before(async () => {
    classes = await loadCcxtErrors();
  });
  const create = (name: string) => new (classes[name] as new (message: string) => Error)(`${name} of ccxt`);

  const table: [string, number | null, string][] = [
    ['BadSymbol', 400, 'rejected symbol'],
    ['BadRequest', 400, 'rejected request'],
    ['ExchangeError', 200, 'rejected request'],
    ['NotSupported', null, 'rejected request'],
    ['PermissionDenied', 200, 'rejected access'],
    ['RestrictedLocation', 200, 'rejected access'],
    ['DDoSProtection', 200, 'unavailable throttled'],
    ['RateLimitExceeded', 400, 'unavailable throttled'],
    ['ExchangeNotAvailable', 200, 'unavailable unreachable'],
    ['ExchangeNotAvailable', 404, 'rejected request'],
    ['OnMaintenance', 400, 'unavailable unreachable'],
    ['RequestTimeout', null, 'unavailable unreachable'],
    ['NetworkError', null, 'unavailable unreachable'],
    ['OperationFailed', 400, 'unavailable unreachable'],
    ['NullResponse', 200, 'data'],
    ['BadResponse', 200, 'data'],
  ];
  for (const [name, status, kind] of table) {
    it(`maps ${name} with status ${status ?? 'none'} to ${kind}, with the cause`, () => {
      const cause = create(name);
      const mapped = mapExchangeError(cause, { ...call, status }, classes);
      assert.equal(kindOf(mapped), kind);
      assert.equal(mapped.cause, cause);
      assert.match(mapped.message, /binance .*the 1h candles of BTC\/USDT/);
    });
  }

  it('takes a crash of the parser as an answer that cannot be read, and one without an answer as a lost connection', () => {
    const crash = new TypeError("Cannot read properties of undefined (reading 'id')");
    assert.equal(kindOf(mapExchangeError(crash, call, classes)), 'data');
    assert.equal(kindOf(mapExchangeError(crash, { ...call, status: null }, classes)), 'unavailable unreachable');
  });

  it('lets our own errors pass', () => {
    const own = new ExchangeDataError('binance', 'HTML');
    assert.equal(mapExchangeError(own, call, classes), own);
  });
});
