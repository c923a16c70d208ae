import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../../src/errors.ts';
import type { Answer } from '../answering-server.ts';
import { elapsedMs } from '../machine-watch.ts';
import { AT_ONCE, NOW, SECOND, TIMEOUT_MS, type Conformance } from './stage.ts';

/** Each way in which exchanges misbehave, as the port’s error. */
export function describeNoAnswers({ wire, test, open, fetchHours }: Conformance): void {
  const { id, symbol } = wire;
  describe('what is no answer', AT_ONCE, () => {
    type Kind = typeof ExchangeUnavailableError | typeof ExchangeRejectedError | typeof ExchangeDataError;
    const html = '<html><body>Service</body></html>';
    const json = { msg: 'unknown error' };
    const table: [string, Answer, Kind, RegExp][] = [
      ['HTML with status 200', { text: html, type: 'text/html' }, ExchangeDataError, /status 200 and HTML/],
      ['HTML that says it is JSON', { text: html }, ExchangeDataError, /HTML instead of JSON/],
      ['null', { text: 'null' }, ExchangeDataError, /neither a JSON object nor a list/],
      ['no body', { text: '' }, ExchangeDataError, /no body/],
      ['cut JSON', { text: '[[1706630400000,"1"],[17066' }, ExchangeDataError, /cut or broken/],
      ['a body that ends too early', { stall: 'cut' }, ExchangeUnavailableError, /the connection failed/],
      ['silence', { stall: 'headers' }, ExchangeUnavailableError, /no complete answer within 2000 ms/],
      ['a stalled body', { stall: 'body' }, ExchangeUnavailableError, /no complete answer within 2000 ms/],
      ['an envelope without rows', { json: wire.withoutRows }, ExchangeDataError, /list of rows/],
      ['500', { json, status: 500 }, ExchangeUnavailableError, /answered 500/],
      ['503 in HTML', { text: html, type: 'text/html', status: 503 }, ExchangeUnavailableError, /answered 503/],
      ['429', { json, status: 429 }, ExchangeUnavailableError, /answered 429/],
      ['418', { json, status: 418 }, ExchangeUnavailableError, /answered 418/],
      ['403', { text: html, type: 'text/html', status: 403 }, ExchangeRejectedError, /answered 403/],
      ['451', { json, status: 451 }, ExchangeRejectedError, /in this region/],
      ['404 in HTML', { text: html, type: 'text/html', status: 404 }, ExchangeRejectedError, /status 404/],
      [
        'a redirect',
        { text: '', status: 302, headers: { location: 'http://127.0.0.2:1/' } },
        ExchangeDataError,
        /redirect to http:\/\/127\.0\.0\.2/,
      ],
      ['its own words for too many requests', wire.tooMany, ExchangeUnavailableError, /too many requests/],
    ];
    for (const [name, answer, kind, message] of table) {
      test(`is told as what it is: ${name}`, async () => {
        const isEndless = 'stall' in answer && answer.stall !== 'cut';
        await using stage = await open({ timeoutMs: isEndless ? TIMEOUT_MS.short : TIMEOUT_MS.patient });
        const { exchange, venue } = stage;
        venue.distort.rows = answer;
        const isTold = (error: unknown) => {
          assert.ok(error instanceof kind, String(error));
          assert.match(error.message, message);
          assert.ok(error.message.includes(id) && error.message.includes(`the 1h candles of ${symbol}`), error.message);
          return true;
        };
        const tookMs = await elapsedMs(() => assert.rejects(fetchHours(exchange), isTold));
        // ccxt has a timer of its own, five seconds behind ours.
        assert.ok(tookMs < TIMEOUT_MS.short + 4_000, 'ends in its time');
        assert.equal(venue.count('rows'), 1, 'no retry of its own');
      });
    }

    test('is told as what it is: nobody there', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      await venue[Symbol.asyncDispose]();
      const isUnreachable = (error: unknown) => error instanceof ExchangeUnavailableError && error.cause !== undefined;
      await assert.rejects(fetchHours(exchange), isUnreachable);
      const { state, until, block } = exchange.access();
      assert.deepEqual([state, block], ['down', null]);
      assert.ok(until > NOW && until <= NOW + SECOND, 'asked again after a second at most');
    });
  });
}
