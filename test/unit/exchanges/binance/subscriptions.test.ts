import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Subscriptions } from '../../../../src/exchanges/binance/subscriptions.ts';
import { ManualClock } from './manual-clock.ts';

interface Sent {
  readonly method: string;
  readonly params: string[];
  readonly id: number;
}

/** `respond`: the error text, null for done, undefined for no answer. */
function start(respond: (request: Sent) => string | null | undefined = () => null) {
  const clock = new ManualClock();
  const sent: { at: number; request: Sent }[] = [];
  const refused: string[] = [];
  const state: { end: string | null } = { end: null };
  const subscriptions = new Subscriptions({
    clock,
    limits: { streamsPerMessage: 4, messageSpacingMs: 400, answerTimeoutMs: 20_000 },
    send: (text) => {
      const request = JSON.parse(text) as Sent;
      sent.push({ at: clock.now(), request });
      const answer = respond(request);
      if (answer !== undefined) queueMicrotask(() => subscriptions.answer(request.id, answer));
    },
    onCarried: () => undefined,
    onRefused: (stream, reason) => refused.push(`${stream}: ${reason}`),
  });
  const controller = new AbortController();
  void subscriptions.run(controller.signal).then(
    (end) => (state.end = end),
    () => undefined,
  );
  return { clock, sent, refused, subscriptions, state, controller };
}

describe('Subscriptions', () => {
  it('asks in pieces, spaced, and carries only what was answered', async () => {
    const { clock, sent, subscriptions } = start();
    subscriptions.want(new Set('abcdefghij'));
    await clock.pass(0);
    assert.deepEqual([...subscriptions.carried], 'abcd'.split(''));
    assert.equal(subscriptions.isSettled, false);
    await clock.pass(5_000);
    assert.deepEqual(
      sent.map(({ request }) => `${request.method} ${request.params.join('')}`),
      ['SUBSCRIBE abcd', 'SUBSCRIBE efgh', 'SUBSCRIBE ij'],
    );
    for (const [index, { at }] of sent.entries()) assert.ok(index === 0 || at - sent[index - 1]!.at >= 400);
    assert.equal(subscriptions.carried.size, 10);
    assert.equal(subscriptions.isSettled, true);
  });

  it('takes leave of what is no longer wanted before it asks for more', async () => {
    const { clock, sent, subscriptions } = start();
    subscriptions.want(new Set('abc'));
    await clock.pass(1_000);
    subscriptions.want(new Set('cxy'));
    await clock.pass(2_000);
    assert.deepEqual(
      sent.slice(1).map(({ request }) => `${request.method} ${request.params.join('')}`),
      ['UNSUBSCRIBE ab', 'SUBSCRIBE xy'],
    );
    assert.deepEqual([...subscriptions.carried], 'cxy'.split(''));
  });

  it('finds the one that a request is refused for, and subscribes to the others', async () => {
    const { clock, refused, subscriptions, sent } = start(({ params }) => (params.includes('c') ? 'no such' : null));
    subscriptions.want(new Set('abcdef'));
    await clock.pass(10_000);
    assert.deepEqual([...subscriptions.carried].toSorted(), 'abdef'.split(''));
    assert.deepEqual(refused, ['c: no such']);
    const count = sent.length;
    await clock.pass(60_000);
    assert.equal(sent.length, count, 'a refused stream is not asked for again');
    assert.equal(subscriptions.isSettled, true);
  });

  it('gives up the connection where no answer comes, and takes no answer for another', async () => {
    const { clock, subscriptions, state } = start(() => undefined);
    subscriptions.want(new Set('ab'));
    await clock.pass(1_000);
    assert.equal(subscriptions.answer(99, null), false);
    assert.equal(subscriptions.carries('a'), false);
    await clock.pass(19_000);
    assert.match(state.end ?? '', /no answer to SUBSCRIBE in 20 s/);
  });
});
