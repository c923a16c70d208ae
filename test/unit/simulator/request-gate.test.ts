import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestGate } from '../../../simulator/request-gate.ts';

const MINUTE = 60_000;
const START = MINUTE * 1_000_000;

function createStage() {
  let nowMs = START;
  const gate = new RequestGate({ now: () => nowMs });
  const refuse = (weight: number) => {
    const error = gate.refuse('spot', weight, '127.0.0.1');
    return error === null ? null : [error.status, Number(error.headers['retry-after'])];
  };
  return { gate, refuse, pass: (ms: number) => (nowMs += ms) };
}

describe('RequestGate', () => {
  it('lets everything pass that keeps to the limit, for hours', () => {
    const { gate, refuse, pass } = createStage();
    for (let minute = 0; minute < 600; minute++, pass(MINUTE)) assert.equal(refuse(6_000), null);
    assert.equal(gate.bans, 0);
  });

  it('says with 429 how long to wait, and bans nobody who waits', () => {
    const { gate, refuse, pass } = createStage();
    pass(15_000);
    assert.equal(refuse(6_000), null);
    assert.deepEqual(refuse(2), [429, 45]);
    pass(45_000);
    assert.equal(refuse(2), null);
    assert.equal(gate.bans, 0);
  });

  it('bans who goes on during the Retry-After, after what was under way', () => {
    const { gate, refuse, pass } = createStage();
    refuse(6_000);
    for (let request = 0; request < 11; request++) assert.deepEqual(refuse(2), [429, 60]);
    assert.deepEqual(refuse(2), [418, 120]);
    pass(90_000);
    assert.deepEqual([refuse(2), gate.bans], [[418, 30], 1]);
    pass(30_000);
    assert.equal(refuse(2), null);
  });

  it('bans who overruns a limit twice within an hour, each time for longer', () => {
    const { gate, refuse, pass } = createStage();
    assert.deepEqual(refuse(6_001), [429, 60]);
    pass(30 * MINUTE);
    assert.deepEqual(refuse(6_001), [418, 120]);
    pass(2 * MINUTE);
    assert.deepEqual(refuse(6_001), [429, 60]);
    pass(MINUTE);
    assert.deepEqual(refuse(6_001), [418, 240]);
    pass(61 * MINUTE);
    assert.deepEqual(refuse(6_001), [429, 60]);
    pass(61 * MINUTE);
    assert.deepEqual(refuse(6_001), [429, 60], 'an hour later it is a first time again');
    assert.equal(gate.bans, 2);
  });

  it('names the moment in the text, and bans from every path', () => {
    const { gate, refuse } = createStage();
    refuse(6_001);
    for (let request = 0; request < 11; request++) refuse(2);
    const body = gate.refuse('statistics', 1, '10.0.0.7')?.body as { code: number; msg: string };
    assert.equal(body.code, -1003);
    assert.match(body.msg, new RegExp(`IP\\(10\\.0\\.0\\.7\\) banned until ${START + 2 * MINUTE}\\.`));
  });
});
