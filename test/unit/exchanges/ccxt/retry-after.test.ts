import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseBanMs, parseRetryAfterMs } from '../../../../src/exchanges/ccxt/retry-after.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

describe('parseRetryAfterMs', () => {
  it('reads seconds and dates', () => {
    assert.equal(parseRetryAfterMs('7', NOW), 7_000);
    assert.equal(parseRetryAfterMs(' 0.5 ', NOW), 500);
    assert.equal(parseRetryAfterMs('Sun, 22 Nov 2026 12:00:30 GMT', NOW), 31_000);
    assert.equal(parseRetryAfterMs('Sun, 22 Nov 2026 11:00:00 GMT', NOW), 0);
  });

  it('says nothing where the header does not', () => {
    for (const header of [null, '', 'soon', '-5']) assert.equal(parseRetryAfterMs(header, NOW), null, String(header));
  });
});

describe('parseBanMs', () => {
  it('reads the end of the ban from the text that Binance sends', () => {
    const body =
      '{"code":-1003,"msg":"Way too many requests; IP banned until 1519726649240. Please use the websocket."}';
    assert.equal(parseBanMs(body, 1519726640000), 10_240);
    assert.equal(parseBanMs(body, NOW), 0);
    assert.equal(parseBanMs('banned', NOW), null);
  });
});
