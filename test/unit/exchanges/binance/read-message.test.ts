import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgePush } from '../../../../src/exchanges/binance/judge-push.ts';
import { readMessage } from '../../../../src/exchanges/binance/read-message.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { pushText, readRecorded } from './pushes.ts';

const T0 = Date.UTC(2026, 0, 1, 12);
const read = (text: string) => readMessage(Buffer.from(text));

describe('readMessage', () => {
  it('reads a closed candle with every digit', () => {
    const raw = pushText(T0, { o: '0.00002400', v: '12345678901234567890.12345678' });
    assert.deepEqual(read(raw), {
      kind: 'closed',
      stream: 'btcusdt@kline_1m',
      sentAt: T0 + 60_020,
      marketId: 'BTCUSDT',
      interval: '1m',
      timestamp: T0,
      closingTime: T0 + 59_999,
      open: '0.00002400',
      high: '3.10',
      low: '1.00',
      close: '2.50',
      volume: '12345678901234567890.12345678',
      raw,
    });
  });

  it('passes over candles in progress, however they are spelled', () => {
    const text = pushText(T0, { x: false });
    assert.deepEqual(read(text), { kind: 'open' });
    assert.deepEqual(read(text.replace('"x":false', '"x" : false')), { kind: 'open' });
  });

  it('is not misled by the bytes of a closed candle that is spelled otherwise, or of a text inside', () => {
    const text = pushText(T0);
    assert.equal(read(text.replace('"x":true', '"x": true')).kind, 'closed');
    const tricky = read(pushText(T0, { s: '"x":false' }).replace('"stream":', '"note":"\\"x\\":false","stream":'));
    assert.equal(tricky.kind, 'closed');
    // Both fields in one message: read in full, and the candle's own counts.
    assert.equal(read(text.replace('"data":', '"x":false,"data":')).kind, 'closed');
  });

  it('tells a push of another shape, with the time that it claims', () => {
    const unquoted = read(pushText(T0, { o: 2.5 }));
    assert.ok(unquoted.kind === 'misshapen');
    assert.deepEqual([unquoted.stream, unquoted.timestamp], ['btcusdt@kline_1m', T0]);
    assert.match(unquoted.reason, /^data\.k\.o: /);
    const empty = read('{"stream":"btcusdt@kline_1m","data":null}');
    assert.ok(empty.kind === 'misshapen');
    assert.equal(empty.timestamp, null);
  });

  it('reads answers to requests, in both spellings of a refusal', () => {
    assert.deepEqual(read('{"result":null,"id":3}'), { kind: 'answer', id: 3, error: null });
    const refusal = { kind: 'answer', id: 3, error: 'Invalid request' };
    assert.deepEqual(read('{"error":{"code":2,"msg":"Invalid request"},"id":3}'), refusal);
    assert.deepEqual(read('{"code":2,"msg":"Invalid request","id":3}'), refusal);
  });

  it('hears that the server will shut down', () => {
    assert.deepEqual(read(`{"e":"serverShutdown","E":${T0}}`), { kind: 'shutdown' });
    assert.deepEqual(read(`{"stream":"x","data":{"e":"serverShutdown","E":${T0}}}`), { kind: 'shutdown' });
  });

  it('calls everything else unreadable', () => {
    for (const text of [
      '',
      '<html>',
      '{"stream":',
      'null',
      '[]',
      '5',
      '"text"',
      '{"id":"3","result":null}',
      '\xff\xfe',
    ])
      assert.equal(read(text).kind, 'unreadable', text);
  });

  for (const [file, total, closed] of [
    ['binance_usdm_ws_kline_1m.ndjson', 67, 4],
    ['binance_spot_ws_kline_1m.ndjson', 2, 0],
  ] as const) {
    const recorded = readRecorded(file);
    it(
      `lets only the closed ones of recorded pushes through: ${file}`,
      { skip: recorded === null ? '../shared/data is absent' : false },
      () => {
        const messages = recorded!.map(({ text, push }) => ({ message: read(text), push }));
        assert.equal(messages.length, total);
        const candles = messages.filter(({ message }) => message.kind === 'closed');
        assert.deepEqual(
          candles.map(({ push }) => push.data.k.x),
          Array<boolean>(closed).fill(true),
        );
        assert.equal(messages.filter(({ message }) => message.kind === 'open').length, total - closed);
        for (const { message, push } of candles) {
          assert.ok(message.kind === 'closed');
          const { k } = push.data;
          const facts = { marketId: k.s, timeframe: parseTimeframe(k.i), nowMs: push.data.E };
          assert.deepEqual(judgePush(message, facts), {
            timestamp: k.t,
            open: k.o,
            high: k.h,
            low: k.l,
            close: k.c,
            volume: k.v,
          });
        }
      },
    );
  }
});
