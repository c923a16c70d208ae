import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePidFile } from '../../../../src/db/embedded/pid-file.ts';

const file = (status: string) => `4711\n/srv/data/postgres\n1763824000\n40123\n\n127.0.0.1\n  1234567  8\n${status}\n`;

describe('parsePidFile', () => {
  it('reads the pid and whether the server accepts connections', () => {
    assert.deepEqual(parsePidFile(file('ready   ')), { pid: 4711, ready: true });
    assert.deepEqual(parsePidFile(file('starting')), { pid: 4711, ready: false });
    assert.deepEqual(parsePidFile(file('stopping')), { pid: 4711, ready: false });
    assert.deepEqual(parsePidFile('4711\n'), { pid: 4711, ready: false });
  });

  it('answers null for a file that names no process that could be a server', () => {
    for (const text of ['', '\n', 'abc\n', '0\n', '1\n', '-4711\n', '4711.5\n']) assert.equal(parsePidFile(text), null);
  });
});
