import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startAll, type Service } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const context = { signal: new AbortController().signal, fail: () => undefined };

function service(name: string, log: string[], faults: { start?: boolean; stop?: boolean } = {}): Service {
  const act = (verb: 'start' | 'stop') => () => {
    log.push(`${verb} ${name}`);
    return faults[verb] ? Promise.reject(new Error(`${name} cannot ${verb}`)) : Promise.resolve();
  };
  return { name, start: act('start'), stop: act('stop') };
}

describe('startAll', () => {
  it('starts in order and stops in reverse order, past one that cannot stop', async () => {
    const log: string[] = [];
    const stack = new AsyncDisposableStack();
    await startAll([service('a', log), service('b', log, { stop: true }), service('c', log)], stack, context, logger);
    await stack.disposeAsync();
    assert.deepEqual(log, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('stops also the one whose start failed, and starts none after it', async () => {
    const log: string[] = [];
    const stack = new AsyncDisposableStack();
    const services = [service('a', log), service('b', log, { start: true }), service('c', log)];
    await assert.rejects(startAll(services, stack, context, logger), /b cannot start/);
    await stack.disposeAsync();
    assert.deepEqual(log, ['start a', 'start b', 'stop b', 'stop a']);
  });

  it('starts nothing more once it is to stop', async () => {
    const log: string[] = [];
    const stopped = { ...context, signal: AbortSignal.abort(new Error('stop')) };
    await assert.rejects(startAll([service('a', log)], new AsyncDisposableStack(), stopped, logger), /stop/);
    assert.deepEqual(log, []);
  });
});
